"""Frames of clients, as the cases of Autobahn's test suite have them, and worse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.protocols.websocket import CloseCode
from netd.protocols.websocket_reader import (
    MAX_MESSAGE_BYTES,
    READER,
    Closed,
    Event,
    FrameReader,
    Ping,
    Pong,
)
from tests.protocols.websocket_client import frame, text

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def read(*pieces: bytes) -> list[Event]:
    reader = FrameReader()
    events: list[Event] = []
    for piece in pieces:
        found, has_more = reader.receive(piece)
        events += found
        while has_more:
            found, has_more = reader.receive(b"")
            events += found
    return events


def code_of(*pieces: bytes) -> int:
    """The code of the close frame that the bytes lead to."""
    last = read(*pieces)[-1]
    assert isinstance(last, Closed)
    return last.code


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 4606, MAX_MESSAGE_BYTES])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_messages_of_all_lengths(opcode: int, size: int) -> None:
    sent = frame(opcode, b"*" * size)
    assert read(sent) == [b"*" * size]
    assert read(*[sent[n : n + 1] for n in range(len(sent))]) == [b"*" * size]


def test_many_messages_in_one_piece_come_in_slices() -> None:
    reader = FrameReader()
    first, has_more = reader.receive(text("x") * 100)
    assert has_more
    assert len(first) == 16
    assert len(read(text("x") * 1000)) == 1000


@pytest.mark.parametrize("size", [0, 1, 125])
def test_a_ping_is_answered_with_its_payload(size: int) -> None:
    assert read(frame(PING, b"\xfe" * size)) == [Ping(b"\xfe" * size)]
    assert read(frame(PONG, b"\xfe" * size)) == [Pong()]


def test_fragments_are_joined_and_may_have_control_frames_between_them() -> None:
    parts = (
        frame(TEXT, b"fragment", fin=False),
        frame(PING, b"p"),
        frame(CONTINUATION, b"ed ", fin=False),
        frame(PONG),
        frame(CONTINUATION, b"line"),
    )
    assert read(*parts) == [Ping(b"p"), Pong(), b"fragmented line"]
    assert read(b"".join(parts), text("next")) == [Ping(b"p"), Pong(), b"fragmented line", b"next"]


def test_a_character_may_be_split_between_two_fragments() -> None:
    whole = "κόσμε".encode()
    for place in range(len(whole)):
        parts = (frame(TEXT, whole[:place], fin=False), frame(CONTINUATION, whole[place:]))
        assert read(*parts) == [whole]


PROTOCOL_ERRORS = {
    "reserved bit 1": frame(TEXT, b"x", rsv=4),
    "reserved bit 3": frame(TEXT, b"x", rsv=1),
    "all reserved bits of a ping": frame(PING, b"", rsv=7),
    "no mask": frame(TEXT, b"x", mask=b""),
    "opcode 3": frame(3, b"x"),
    "opcode 7": frame(7),
    "opcode 11": frame(11, b"x"),
    "opcode 15": frame(15),
    "a ping in fragments": frame(PING, b"x", fin=False),
    "a ping of 126 bytes": frame(PING, b"x" * 126),
    "a close of 126 bytes": frame(CLOSE, b"\x03\xe8" + b"x" * 124),
    "a close of one byte": frame(CLOSE, b"\x03"),
    "a continuation of nothing": frame(CONTINUATION, b"x"),
    "a continuation of nothing, to be continued": frame(CONTINUATION, b"x", fin=False) + text("y"),
    "a text within a text": frame(TEXT, b"x", fin=False) + text("y"),
    "a length with too many bytes": frame(TEXT, b"x", length=b"\x7e\0\1"),
    "a length with far too many bytes": frame(TEXT, b"x", length=b"\x7f" + bytes(7) + b"\1"),
    "a negative length": frame(TEXT, b"x", length=b"\x7f\xff" + bytes(7)),
    "a ping that claims to be long": frame(PING, b"", length=b"\x7f" + bytes(5) + b"\1\0\0"),
}


@pytest.mark.parametrize("name", PROTOCOL_ERRORS)
def test_violations_of_the_protocol(name: str) -> None:
    sent = PROTOCOL_ERRORS[name]
    assert code_of(text("before") + sent + text("after")) == CloseCode.PROTOCOL_ERROR
    assert read(text("before") + sent + text("after"))[0] == b"before"
    assert len(read(text("before") + sent + text("after"))) == 2
    assert read(text("before")) == [b"before"]  # another connection is not disturbed


@pytest.mark.parametrize(
    "content",
    [
        *(b"\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80"),
        *(b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xfe", b"\xff", b"half \xe2\x82"),
    ],
)
def test_a_text_is_utf8(content: bytes) -> None:
    assert code_of(frame(TEXT, content)) == CloseCode.INVALID_DATA
    halves = (frame(TEXT, content[:1], fin=False), frame(CONTINUATION, content[1:]))
    assert code_of(*halves) == CloseCode.INVALID_DATA
    assert read(frame(BINARY, content)) == [content]


def test_the_reason_of_a_close_is_utf8() -> None:
    assert code_of(frame(CLOSE, b"\x03\xe8\xff\xfe")) == CloseCode.INVALID_DATA


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999])
def test_a_close_is_answered(code: int) -> None:
    assert read(frame(CLOSE, code.to_bytes(2, "big") + b"bye"), text("x")) == [
        Closed(CloseCode.NORMAL)
    ]
    assert read(frame(CLOSE)) == [Closed(CloseCode.NORMAL)]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000])
def test_a_close_with_a_code_that_no_peer_may_send(code: int) -> None:
    assert code_of(frame(CLOSE, code.to_bytes(2, "big"))) == CloseCode.PROTOCOL_ERROR


def test_long_messages_are_refused_at_their_head() -> None:
    long = frame(BINARY, b"x" * (MAX_MESSAGE_BYTES + 1))
    assert code_of(long[:8]) == CloseCode.TOO_BIG
    huge = frame(BINARY, b"", length=b"\x7f" + (1 << 40).to_bytes(8, "big"))
    assert code_of(huge) == CloseCode.TOO_BIG


def test_fragments_are_bounded_in_size_and_number() -> None:
    kib = frame(TEXT, b"x" * 1024, fin=False)
    more = frame(CONTINUATION, b"x" * 1024, fin=False)
    assert code_of(kib, *[more] * 8) == CloseCode.TOO_BIG
    empty = frame(CONTINUATION, b"", fin=False)
    assert code_of(frame(TEXT, b"", fin=False), *[empty] * 256) == CloseCode.POLICY_VIOLATION


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(0, 1500), st.data())
def test_a_reader_continues_where_another_one_was(
    lines: list[bytes], place: int, data: st.DataObject
) -> None:
    sent = b""
    for line in lines:
        cut = data.draw(st.integers(0, len(line)))
        sent += frame(BINARY, line[:cut], fin=False) + frame(CONTINUATION, line[cut:])
    first = FrameReader()
    events, _ = first.receive(sent[:place])
    second = FrameReader()
    READER.load_into(second, READER.save(first))
    assert events + second.receive(sent[place:])[0] == lines
    assert second.held_bytes == 0


@given(st.sampled_from([TEXT, BINARY]), st.binary(max_size=125), st.binary(min_size=4, max_size=4))
def test_short_messages_are_read_as_wsproto_reads_them(
    opcode: int, payload: bytes, mask: bytes
) -> None:
    sent = frame(opcode, payload, mask=mask)
    whole = read(sent)
    parts = read(frame(opcode, b"", fin=False, mask=mask), frame(CONTINUATION, payload, mask=mask))
    assert [event for event in whole if isinstance(event, bytes)] == [
        event for event in parts if isinstance(event, bytes)
    ]
    if not whole or isinstance(whole[0], Closed):
        assert code_of(sent) == CloseCode.INVALID_DATA


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_lead_to_events_and_never_to_an_error(pieces: list[bytes]) -> None:
    reader = FrameReader()
    for piece in pieces:
        reader.receive(piece)
        assert reader.held_bytes < 2 * MAX_MESSAGE_BYTES
    assert read(text("another client")) == [b"another client"]

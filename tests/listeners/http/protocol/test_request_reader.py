"""The reader of requests: every raw case whole, byte by byte and with bytes trailing."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.errors import LocalProtocolError, RemoteProtocolError
from netd.listeners.http.protocol.event import Data, End, Event, Request
from netd.listeners.http.protocol.head import RequestLimits
from netd.listeners.http.protocol.request_reader import ReadPhase, RequestReader, SavedReader
from netd.protocols.saved_record import load_record, save_record
from tests.http_cases import PARSED, load
from tests.support import feed

NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


def read(pieces: Sequence[bytes]) -> list[Event | int]:
    """The first request's events, a refusal as its status."""
    connection = RequestReader(RequestLimits())
    events: list[Event | int] = []
    try:
        for piece in pieces:
            connection.receive(piece)
            while (event := connection.next_event()) is not None:
                events.append(event)
    except RemoteProtocolError as error:
        assert connection.phase is ReadPhase.BROKEN
        events.append(error.status)
    return events


def read_in_turn(pieces: Sequence[bytes]) -> list[Event | int]:
    """The same, by a reader that continues from the saved state of another one at each piece."""
    limits = RequestLimits()
    events: list[Event | int] = []
    saved: object = save_record(RequestReader(limits).save())
    for piece in pieces:
        reader = RequestReader.load(load_record(SavedReader, saved), limits)
        reader.receive(piece)
        try:
            while (event := reader.next_event()) is not None:
                events.append(event)
        except RemoteProtocolError as error:
            events.append(error.status)
        saved = json.loads(json.dumps(save_record(reader.save())))
    return events


def joined(events: list[Event | int]) -> list[object]:
    """The events with the body in one piece."""
    body = b"".join(event.payload for event in events if isinstance(event, Data))
    return [*(event for event in events if not isinstance(event, Data)), body]


@pytest.mark.parametrize(
    ("outcome", "request_bytes"),
    [pytest.param(outcome, request, id=subject) for outcome, request, subject in load(*PARSED)],
)
def test_a_case_gives_its_outcome(outcome: str, request_bytes: bytes) -> None:
    for events in feed(read, request_bytes, NEXT if outcome == "ok" else b""):
        if outcome == "ok":
            assert isinstance(events[0], Request)
            assert isinstance(events[-1], End)
            assert joined(events) == joined(read([request_bytes]))
        else:
            assert events[-1] == int(outcome)


@pytest.mark.parametrize(
    "request_bytes", [pytest.param(request, id=subject) for _, request, subject in load(*PARSED)]
)
def test_a_reader_continues_from_a_saved_state(request_bytes: bytes) -> None:
    size = 1 + len(request_bytes) // 500
    pieces = [request_bytes[at : at + size] for at in range(0, len(request_bytes), size)]
    assert joined(read_in_turn(pieces)) == joined(read([request_bytes]))


def test_the_parts_of_a_request() -> None:
    lines = b"Host: A.example:80\r\nX: 1\r\nx: 2\r\nContent-Length: 3\r\n\r\n"
    request, data, end = read([b"POST /a/b?c=d HTTP/1.1\r\n" + lines + b"abc"])
    assert isinstance(request, Request)
    assert (request.method, request.path, request.query) == ("POST", b"/a/b", b"c=d")
    assert (request.host, request.fields[b"x"]) == ("a.example", b"1, 2")
    assert (request.length, request.keep_alive) == (3, True)
    assert (data, end) == (Data(b"abc"), End())


def test_trailers_are_reported() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert read([head + b"1\r\nx\r\n0\r\nA: b\r\n\r\n"])[-1] == End(((b"A", b"b"),))


def test_the_next_request_waits_for_start_next() -> None:
    connection = RequestReader(RequestLimits())
    connection.receive(NEXT * 2)
    assert isinstance(connection.next_event(), Request)
    with pytest.raises(LocalProtocolError):
        connection.start_next()
    assert connection.next_event() == End()
    assert connection.next_event() is None
    connection.start_next()
    assert connection.peek_head() == NEXT
    assert isinstance(connection.next_event(), Request)
    assert connection.next_event() == End()
    connection.start_next()
    assert connection.is_between_requests


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n", False),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n", False),
    ],
)
def test_keep_alive(head: bytes, keep_alive: bool) -> None:  # noqa: FBT001 (a case's outcome)
    request = read([head + b"\r\n"])[0]
    assert isinstance(request, Request)
    assert request.keep_alive is keep_alive


_PIECES = st.sampled_from(
    [
        *(b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n", b"\n", b"\r"),
        *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n", b"abc", b"3\r\n", b"0\r\n"),
        *(b" ", b":", b"\0", b"%00", b";a=b", b"Expect: 100-continue\r\n"),
    ]
)


@given(st.lists(st.one_of(_PIECES, st.binary(max_size=20)), max_size=12).map(b"".join))
def test_any_input_gives_the_same_events_in_one_piece_and_in_many(data: bytes) -> None:
    whole, bytewise = feed(read, data)
    was_refused = [bool(events) and isinstance(events[-1], int) for events in (whole, bytewise)]
    assert was_refused[0] == was_refused[1]
    assert was_refused[0] or joined(whole) == joined(bytewise)


def test_a_head_that_was_served_otherwise_is_dropped() -> None:
    connection = RequestReader(RequestLimits())
    assert connection.is_between_requests
    connection.receive(NEXT + b"GET")
    assert connection.peek_head() == NEXT
    assert connection.peek_head(len(NEXT)) is None
    connection.drop(len(NEXT))
    assert (connection.unread_bytes, connection.is_between_requests) == (3, False)
    assert connection.peek_head() is None
    connection.receive(NEXT[3:] + NEXT)
    assert (connection.peek_head(), connection.peek_head(len(NEXT))) == (NEXT, NEXT)

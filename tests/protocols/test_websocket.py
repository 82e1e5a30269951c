from __future__ import annotations

import pytest

from netd.protocols.websocket import (
    CloseCode,
    HandshakeError,
    Opcode,
    format_close,
    format_frame,
    format_lines,
    requests_websocket,
    shake_hands,
    split_head,
)
from tests.protocols.websocket_client import ACCEPT, handshake


def accept(*lines: str) -> tuple[dict[str, str], Opcode]:
    shaken = shake_hands(split_head(handshake(*lines))[0])
    first, *fields, _, _ = shaken.response.decode().split("\r\n")
    assert first == "HTTP/1.1 101 Switching Protocols"
    return dict(field.split(": ") for field in fields), shaken.opcode


def test_a_handshake_is_accepted() -> None:
    fields, opcode = accept()
    assert fields == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": ACCEPT,
    }
    assert opcode is Opcode.TEXT


@pytest.mark.parametrize(
    ("requested", "chosen", "opcode"),
    [
        ("text.ircv3.net", "text.ircv3.net", Opcode.TEXT),
        ("binary.ircv3.net", "binary.ircv3.net", Opcode.BINARY),
        ("binary.ircv3.net, text.ircv3.net", "binary.ircv3.net", Opcode.BINARY),
        ("text.ircv3.net,binary.ircv3.net", "text.ircv3.net", Opcode.TEXT),
        ("mqtt, binary.ircv3.net", "binary.ircv3.net", Opcode.BINARY),
        ("mqtt", None, Opcode.TEXT),
        ("TEXT.ircv3.net", None, Opcode.TEXT),
    ],
)
def test_the_client_prefers_a_subprotocol(
    requested: str, chosen: str | None, opcode: Opcode
) -> None:
    fields, chosen_opcode = accept(f"Sec-WebSocket-Protocol: {requested}")
    assert fields.get("Sec-WebSocket-Protocol") == chosen
    assert chosen_opcode is opcode


def test_subprotocols_in_several_fields_are_in_order() -> None:
    fields, _ = accept(
        "sec-websocket-protocol: binary.ircv3.net", "Sec-WebSocket-Protocol: text.ircv3.net"
    )
    assert fields["Sec-WebSocket-Protocol"] == "binary.ircv3.net"


def test_no_extension_is_accepted() -> None:
    fields, _ = accept("Sec-WebSocket-Extensions: permessage-deflate")
    assert "Sec-WebSocket-Extensions" not in fields


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("Version: 13", "Version: 8", b"426 Upgrade Required"),
        ("Version: 13", "Version: 13, 8", b"426 Upgrade Required"),
        ("Sec-WebSocket-Version: 13\r\n", "", b"426 Upgrade Required"),
        ("GET", "POST", b"400 Bad Request"),
        ("keep-alive, Upgrade", "keep-alive", b"400 Bad Request"),
        ("Sec-WebSocket-Key", "X-Key", b"400 Bad Request"),
        ("dGhlIHNh", "dGhl", b"400 Bad Request"),
        ("dGhlIHNh", "dGhlIHN!", b"400 Bad Request"),
    ],
)
def test_other_requests_are_refused(old: str, new: str, status: bytes) -> None:
    head = handshake().decode().replace(old, new).encode()
    with pytest.raises(HandshakeError) as caught:
        shake_hands(split_head(head)[0])
    assert caught.value.response.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert (b"\r\nSec-WebSocket-Version: 13\r\n" in caught.value.response) == status.startswith(
        b"426"
    )


def test_bytes_after_the_head_are_kept() -> None:
    assert split_head(b"GET / HTTP/1.1\r\n\r\nframe\r\n\r\n")[1] == b"frame\r\n\r\n"


def test_upgrade_can_name_several_protocols() -> None:
    assert requests_websocket({b"upgrade": b"h2c, WebSocket"})
    assert not requests_websocket({b"upgrade": b"h2c"})
    assert not requests_websocket({})


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_head_of_a_frame(size: int, head: bytes) -> None:
    assert format_frame(Opcode.TEXT, b"x" * size) == head + b"x" * size


def test_each_line_is_a_message_without_its_ending() -> None:
    lines = b":a PRIVMSG #b :c\r\nPING :d\r\n"
    frames = b"\x82\x10:a PRIVMSG #b :c\x82\x07PING :d"
    assert format_lines(Opcode.BINARY, lines) == frames
    assert format_lines(Opcode.TEXT, b"x\r\n") == b"\x81\x01x"


def test_the_reason_of_a_close_is_cut_between_characters() -> None:
    assert format_close(CloseCode.NORMAL) == b"\x88\x02\x03\xe8"
    close = format_close(CloseCode.GOING_AWAY, "€" * 100)
    assert close == b"\x88\x7d\x03\xe9" + "€".encode() * 41

"""WebSocket (RFC 6455), the server's side without frames of clients: handshake and own frames.

A frame of a server has no mask, so its bytes are the same for all clients. The handshake gets a
request head that the HTTP listener has checked.
"""

from __future__ import annotations

import base64
import binascii
import enum
from dataclasses import dataclass
from typing import Final

from netd.errors import RemoteProtocolError

_VERSION: Final = b"13"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_KEY_BYTES: Final = 16
_FINAL: Final = 0x80  # the only or last frame of its message
_MAX_SHORT: Final = 125
_MAX_MEDIUM: Final = 0xFFFF
_MAX_REASON_BYTES: Final = 123  # section 5.5: of a control frame's 125 bytes, the code takes two


class Opcode(enum.IntEnum):
    """The types of frames that a server sends (section 5.2)."""

    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(enum.IntEnum):
    """Why a connection is closed (section 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009


SUBPROTOCOLS: Final = {
    b"text.ircv3.net": Opcode.TEXT,
    b"binary.ircv3.net": Opcode.BINARY,
}
"""The type of the messages for each subprotocol of IRCv3's WebSocket specification."""


def format_frame(opcode: Opcode, payload: bytes) -> bytes:
    """A message in one frame, or a control frame."""
    size = len(payload)
    if size <= _MAX_SHORT:
        return bytes((_FINAL | opcode, size)) + payload
    if size <= _MAX_MEDIUM:
        return bytes((_FINAL | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_FINAL | opcode, 127)) + size.to_bytes(8, "big") + payload


def format_close(code: CloseCode, reason: str = "") -> bytes:
    """A close frame; a reason that is too long is cut between two characters."""
    text = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore").encode()
    return format_frame(Opcode.CLOSE, code.to_bytes(2, "big") + text)


def format_lines(opcode: Opcode, lines: bytes) -> bytes:
    """Whole lines of IRC as messages, each without its ending (IRCv3 WebSocket)."""
    messages = lines.removesuffix(b"\r\n").split(b"\r\n")
    return b"".join([format_frame(opcode, line) for line in messages])


@dataclass(frozen=True, slots=True)
class Handshake:
    """The response to a client that may go on, and the type of the messages that it gets."""

    response: bytes
    opcode: Opcode


class HandshakeError(RemoteProtocolError):
    """A request that is no opening handshake (section 4.2.1); `response` says so to the client."""

    def __init__(self, reason: str, status: bytes, *fields: bytes) -> None:
        super().__init__(reason)
        self.response = format_refusal(status, reason, *fields)


def format_refusal(status: bytes, reason: str, *fields: bytes) -> bytes:
    """An HTTP response with a line of text, after which the connection is closed."""
    content = f"{reason}\n".encode()
    lines = [
        b"HTTP/1.1 " + status,
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Length: %d" % len(content),
        b"Connection: close",
        *fields,
        b"",
    ]
    return b"\r\n".join([*lines, content])


def split_head(received: bytes) -> tuple[bytes, bytes]:
    """Split what was received into the head of the request and the bytes after it."""
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest


def shake_hands(head: bytes) -> Handshake:
    """Accept the request with this head. Raises HandshakeError.

    The client's first subprotocol that is known here is used; without one, messages are texts.
    """
    fields = _fields_of(head)
    if fields.get(b"sec-websocket-version") != _VERSION:
        field = b"Sec-WebSocket-Version: " + _VERSION  # section 4.4
        raise HandshakeError("only WebSocket version 13 is spoken", b"426 Upgrade Required", field)
    key = fields.get(b"sec-websocket-key", b"")
    if not (head.startswith(b"GET ") and _is_upgrade(fields) and _is_key(key)):
        raise HandshakeError("not a WebSocket handshake", b"400 Bad Request")
    import hashlib  # noqa: PLC0415 (OpenSSL, only for WebSockets)

    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest),
    ]
    requested = _tokens(fields.get(b"sec-websocket-protocol", b""))
    chosen = next((name for name in requested if name in SUBPROTOCOLS), b"")
    if chosen:
        lines.append(b"Sec-WebSocket-Protocol: " + chosen)
    opcode = SUBPROTOCOLS.get(chosen, Opcode.TEXT)
    return Handshake(b"\r\n".join([*lines, b"", b""]), opcode)


def requests_websocket(fields: dict[bytes, bytes]) -> bool:
    """Whether the fields of a request, by lower-case name, name WebSocket in `Upgrade`."""
    return b"websocket" in _tokens(fields.get(b"upgrade", b"").lower())


def _is_upgrade(fields: dict[bytes, bytes]) -> bool:
    return requests_websocket(fields) and b"upgrade" in _tokens(
        fields.get(b"connection", b"").lower()
    )


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def _fields_of(head: bytes) -> dict[bytes, bytes]:
    """The fields by lower-case name; the values of a repeated one are joined by commas."""
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        fields[name] = fields[name] + b"," + value if name in fields else value
    return fields


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip(b" \t") for token in value.split(b",")]

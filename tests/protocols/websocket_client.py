"""The client's side of WebSocket, made of bytes: what no library would send is possible."""

from __future__ import annotations

import itertools
from typing import BinaryIO

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3


def frame(  # noqa: PLR0913 (the parts of a frame)
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes = b"\x01\x02\x03\x04",
    length: bytes | None = None,
) -> bytes:
    """A frame of a client; an empty `mask` sends none, `length` replaces the encoded length."""
    size = len(payload)
    if length is None and size > 0xFFFF:
        length = b"\x7f" + size.to_bytes(8, "big")
    elif length is None and size > 125:
        length = b"\x7e" + size.to_bytes(2, "big")
    length = length or bytes([size])
    first = bytes([fin << 7 | rsv << 4 | opcode])
    if not mask:
        return first + length + payload
    masked = bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(mask), strict=False))
    return first + bytes([length[0] | 0x80]) + length[1:] + mask + masked


def text(content: str) -> bytes:
    return frame(1, content.encode())


def handshake(*lines: str, path: str = "/chat", host: str = "chat.example") -> bytes:
    """The head of an opening handshake; lines are further fields."""
    head = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Connection: keep-alive, Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode()


def read_frame(file: BinaryIO) -> tuple[int, bytes]:
    """The type and payload of the next frame of a server; EOFError at end of file."""
    head = file.read(2)
    if len(head) < 2:
        raise EOFError
    assert head[0] & 0xF0 == 0x80, "a fragment, or a reserved bit"
    size = head[1]
    if size >= 126:
        size = int.from_bytes(file.read(2 if size == 126 else 8), "big")
    return head[0] & 15, file.read(size)


def read_head(file: BinaryIO) -> tuple[int, dict[str, str]]:
    """The status and the fields, by lower-case name, of the response to a handshake."""
    line = file.readline()
    if not line:
        raise EOFError
    fields: dict[str, str] = {}
    while (field := file.readline().decode().rstrip("\r\n")) != "":
        name, _, value = field.partition(": ")
        fields[name.lower()] = value
    return int(line.split()[1]), fields

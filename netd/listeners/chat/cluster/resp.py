"""Commands to Redis and Valkey, and their replies (RESP, the protocol's second version)."""

from __future__ import annotations

from typing import Protocol

Argument = bytes | str | int
Reply = object
"""bytes, int, None, a list of replies, or a ReplyError."""


class ReplyError(Exception):
    """An error that the engine replied; its first word is a code such as NOAUTH or READONLY."""

    @property
    def code(self) -> str:
        """The first word."""
        return str(self).partition(" ")[0]


class ReplyReader(Protocol):
    """The part of `hiredis.Reader` that is used."""

    def feed(self, data: bytes, /) -> None:
        """Add received bytes."""

    def gets(self) -> Reply:
        """The next complete reply; False if there is none."""


def pack(*arguments: Argument) -> bytes:
    """The bytes of a command."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def make_reader() -> ReplyReader:
    """A reader of replies. Raises ImportError if hiredis is not installed."""
    import hiredis  # noqa: PLC0415 (only a chat with a cluster needs it)

    return hiredis.Reader(protocolError=ReplyError, replyError=ReplyError)


def pairs(reply: Reply) -> dict[bytes, bytes]:
    """The fields of a reply that is a flat list of names and values. Raises ValueError."""
    if not isinstance(reply, list) or len(reply) % 2:
        raise ValueError("the engine's reply is no list of names and values")
    names, values = reply[::2], reply[1::2]
    if not all(isinstance(item, bytes) for item in reply):
        raise ValueError("the engine's reply has an item that is no text")
    return dict(zip(names, values, strict=True))

"""One message on its way to many: encoded once for each set of tags its readers take."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from netd.listeners.chat.room.capability import may_see
from netd.protocols.irc import Message, format_body, format_tags


class EncodedMessage:
    """A message's bytes, made when first asked for."""

    __slots__ = ("_body", "_by_caps", "_message", "_now")

    def __init__(self, message: Message, now: float, body: bytes = b"") -> None:
        self._message = message
        self._body = body or format_body(message)
        self._by_caps: dict[int, bytes] = {0: self._body}
        self._now = now

    def bytes_for(self, tag_caps: int) -> bytes:
        """The line as a client with these capabilities is sent it."""
        data = self._by_caps.get(tag_caps)
        if data is None:
            tags = {"time": timestamp(self._now), **self._message.tags}
            seen = {name: value for name, value in tags.items() if may_see(tag_caps, name)}
            data = self._by_caps[tag_caps] = format_tags(seen).encode() + self._body
        return data


def timestamp(now: float) -> str:
    """Seconds since the epoch as server-time writes them."""
    whole = int(now)
    return f"{_second(whole)}.{int((now - whole) * 1000):03d}Z"


@lru_cache(maxsize=16)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")

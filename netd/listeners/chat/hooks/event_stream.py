"""The connection of a client that gets the messages of a channel as server-sent events (HTML)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from netd.listeners.chat.hooks.requests import format_json
from netd.protocols.irc import Message, fold
from netd.runtime.loop import Loop
from netd.runtime.stream import Stream, ignore

HEARTBEAT_S: Final = 25.0
"""A comment is sent when nothing else was for so long: proxies close a connection that was silent
for 60 s."""
_MAX_UNSENT_BYTES: Final = 1_048_576
_CATCH_UP_BYTES: Final = 262_144  # unsent; then the client reads on with another connection
_MAX_WAITING: Final = 1000  # messages that come while the client is sent what it missed
_RETRY: Final = b"retry: 2000\n\n"  # milliseconds until the client connects again
_COMMENT: Final = b":\n\n"


class Event(NamedTuple):
    """A message in the form for all clients."""

    msgid: str
    data: bytes


def event_of(message: Message) -> Event:
    """The event of a message."""
    msgid = message.tags["msgid"]
    return Event(msgid, f"id: {msgid}\ndata: {format_json(message)}\n\n".encode())


class EventStream:
    """Sends the messages that the client missed, then those that come."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        channel: str,
        head: bytes,
        on_closed: Callable[[EventStream], object],
    ) -> None:
        """Take over a connected socket. Raises PollerFullError.

        `head` is that of the response, which `begin` sends.
        """
        self._loop = loop
        self._folded = fold(channel)
        self._head = head
        self._notify_closed = on_closed
        self._is_live = False
        self._waiting: list[Event] = []
        self._sent_at = loop.now
        self._last_ids: set[str] = set()
        self._stream = Stream(
            loop,
            sock,
            on_data=ignore,
            on_end=lambda: self._stream.close("the client has closed"),
            on_closed=self._on_closed,
            max_unsent_bytes=_MAX_UNSENT_BYTES,
        )

    @property
    def is_open(self) -> bool:
        """Whether the client is still there."""
        return self._stream.is_open

    def catch_up(self, messages: Iterable[Message]) -> bool:
        """Send messages that the client missed; return whether it takes more of them now."""
        if self._head:
            self._write(self._head + _RETRY)
            self._head = b""
        for event in map(event_of, messages):
            self._last_ids.add(event.msgid)
            self._write(event.data)
        return self.is_open and self._stream.unsent_bytes < _CATCH_UP_BYTES

    def go_live(self) -> None:
        """Send the messages that have come meanwhile, and those to come.

        A client that takes the earlier ones slowly is disconnected: it goes on where it was.
        """
        if self._stream.unsent_bytes >= _CATCH_UP_BYTES:
            self.finish()
        self._is_live = True
        for event in self._waiting:
            if event.msgid not in self._last_ids:
                self._write(event.data)
        self._waiting.clear()
        self._last_ids.clear()

    def on_event(self, event: Event) -> None:
        """Take a message of a member."""
        if self._is_live:
            self._write(event.data)
        elif len(self._waiting) < _MAX_WAITING:
            self._waiting.append(event)
        else:
            self.finish()

    def is_of(self, channel: str) -> bool:
        """Whether the events are those of a channel."""
        return fold(channel) == self._folded

    def refuse(self, response: bytes) -> None:
        """Send a whole response in place of the events."""
        self._write(response)
        self.finish()

    def keep_alive(self) -> None:
        """Send a comment if nothing was sent for some time; to be called each second."""
        if self._is_live and self._loop.now - self._sent_at >= HEARTBEAT_S:
            self._write(_COMMENT)

    def finish(self) -> None:
        """Close when all was sent."""
        self._stream.finish("the events end")

    def _write(self, data: bytes) -> None:
        self._sent_at = self._loop.now
        self._stream.write(data)

    def _on_closed(self, _reason: str) -> None:
        self._notify_closed(self)

"""One end of the link between the supervisor and a worker, on a loop.

The supervisor and the worker both use this class. Each message is one line of JSON
(netd.protocols.link); descriptors travel with it.
"""

from __future__ import annotations

import contextlib
import logging
import select
from collections.abc import Callable, Sequence
from typing import Final

from netd.errors import LocalProtocolError
from netd.protocols.link import LinkMessage, format_message, parse_message
from netd.runtime.errnos import SHORT_OF_PASSAGE, describe
from netd.runtime.fd_channel import ChannelClosedError, FdChannel
from netd.runtime.loop import Loop
from netd.runtime.poller import READ, WRITE

_PAUSE_S: Final = 0.1

_log = logging.getLogger("netd")


class Link:
    """Sends and receives messages without blocking."""

    def __init__(
        self,
        loop: Loop,
        channel: FdChannel,
        *,
        on_message: Callable[[LinkMessage], object],
        on_closed: Callable[[], object],
        on_error: Callable[[OSError | LocalProtocolError], object],
    ) -> None:
        """Take over a channel. Raises OSError if it cannot be watched.

        `on_closed` is called once the other end is closed and all its messages were handled;
        `on_error` for a line that is not a message, and if the socket fails. If the system is short
        of memory or buffers, or of descriptors on their way, the link tries again after 0.1 s.
        """
        self._loop = loop
        self._channel = channel
        self._on_message, self._on_closed, self._on_error = on_message, on_closed, on_error
        self._is_open = True
        self._paused = 0  # READ, WRITE: the directions in which a call has failed
        self._short = 0  # the directions with a warning, until a call succeeds there
        self._shortage = ""  # the last reason for such a warning
        loop.watch(channel.fileno(), READ, self._on_ready)

    @property
    def has_unsent(self) -> bool:
        """True while a message waits for the socket to become writable."""
        return self._channel.has_unsent

    @property
    def obstacle(self) -> str:
        """Why a message cannot be sent or received; empty if none waits, as far as is known."""
        if self._short:
            return f"a message waits: {self._shortage}"
        return "it does not take its messages" if self.has_unsent else ""

    def send(self, message: LinkMessage, descriptors: Sequence[int] = ()) -> None:
        """Send a message with its descriptors, now or when the socket becomes writable.

        Without effect once this end is closed.
        """
        if not self._is_open:
            return
        try:
            self._channel.send(format_message(message), descriptors)
        except OSError as error:
            self._on_failure(error, WRITE)
        else:
            self._short &= ~WRITE
        self._watch()

    def send_ahead(self, message: LinkMessage) -> None:
        """Send a message before those that wait, or not at all if the other end does not read."""
        with contextlib.suppress(OSError):
            if self._is_open:
                self._channel.send_ahead(format_message(message))
        self._watch()

    def take_descriptors(self, count: int) -> list[int]:
        """The descriptors that came with a message; fewer if this process had no room for them."""
        return self._channel.take_descriptors(count)

    def receive(self) -> None:
        """Handle the messages that have arrived."""
        try:
            lines = self._channel.receive()
        except ChannelClosedError:
            self._on_closed()
            return
        except OSError as error:
            self._on_failure(error, READ)
            return
        self._short &= ~READ
        for line in lines:
            self._handle(line)

    def wait(self, timeout_s: float) -> None:
        """Handle what arrives within some seconds, and send what waits, without the loop."""
        poller = select.poll()
        poller.register(self._channel.fileno(), self._interest)
        for _, mask in poller.poll((_PAUSE_S if self._paused else timeout_s) * 1000):
            self._on_ready(mask)
        if self._paused:
            self._resume()

    def close(self) -> None:
        """Close this end, and the descriptors that were not taken."""
        if self._is_open:
            self._is_open = False
            self._loop.unwatch(self._channel.fileno())
            self._channel.close()

    def _handle(self, line: bytes) -> None:
        try:
            message = parse_message(line)
        except LocalProtocolError as error:
            self._on_error(error)
        else:
            self._on_message(message)

    def _on_ready(self, mask: int) -> None:
        if mask & WRITE:
            self._flush()
        if mask & ~WRITE and self._is_open:
            self.receive()
        self._watch()

    def _flush(self) -> None:
        if not self._channel.has_unsent:
            return
        try:
            self._channel.flush()
        except OSError as error:
            self._on_failure(error, WRITE)
        else:
            self._short &= ~WRITE

    def _on_failure(self, error: OSError, direction: int) -> None:
        if error.errno not in SHORT_OF_PASSAGE:
            self._on_error(error)
            return
        self._shortage = describe(error)
        if not self._short & direction:
            _log.warning("a message between supervisor and worker waits: %s", self._shortage)
        self._short |= direction
        if not self._paused:
            self._loop.call_later(_PAUSE_S, self._resume)
        self._paused |= direction

    def _resume(self) -> None:
        self._paused = 0
        if self._is_open:
            self._flush()
            self._watch()

    @property
    def _interest(self) -> int:
        return (READ | WRITE if self._channel.has_unsent else READ) & ~self._paused

    def _watch(self) -> None:
        if not self._is_open:
            return
        try:
            self._loop.modify(self._channel.fileno(), self._interest)
        except OSError as error:
            self._on_error(error)

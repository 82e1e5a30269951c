"""The stream of a client in this process: what the room writes goes to a callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netd.runtime.loop import Loop
from netd.runtime.stream import ignore


class HookStream:
    """The room's side of a client in this process; see Stream for the methods and callbacks.

    Lines pass at the end of the turn: neither side calls into the other one.
    """

    __slots__ = (
        *("_end_reason", "_is_deferred", "_loop", "_on_closed", "_on_data", "_on_lines"),
        *("_on_lost", "_received", "_written", "max_unsent_bytes"),
    )

    bytes_in: Final = 0  # no bytes of a network
    bytes_out: Final = 0
    unsent_bytes: Final = 0
    has_overflowed: Final = False

    def __init__(
        self,
        loop: Loop,
        on_lines: Callable[[bytes], object],
        on_lost: Callable[[str], object],
    ) -> None:
        """Call `on_lines` with whole lines of the room, and `on_lost` when it closes the stream."""
        self._loop = loop
        self._on_lines, self._on_lost = on_lines, on_lost
        self._on_data: Callable[[bytes], object] = ignore
        self._on_closed: Callable[[str], object] = ignore
        self._written: list[bytes] = []
        self._received: list[bytes] = []
        self._end_reason: str | None = None
        self._is_deferred = False
        self.max_unsent_bytes = 0

    def bind(
        self, on_data: Callable[[bytes], object], on_closed: Callable[[str], object]
    ) -> HookStream:
        """Call the session from now on."""
        self._on_data, self._on_closed = on_data, on_closed
        return self

    def receive(self, data: bytes) -> None:
        """Pass lines of the hook to the session."""
        self._received.append(data)
        self._pass_later()

    @property
    def is_open(self) -> bool:
        """See Stream."""
        return self._on_closed is not ignore

    def write(self, data: bytes) -> None:
        """See Stream."""
        if self._end_reason is None:
            self._written.append(data)
            self._pass_later()

    send = write

    def flush(self) -> None:
        """See Stream."""

    def pause(self) -> None:
        """See Stream: the hook sends little, and waits for the reply."""

    def resume(self) -> None:
        """See Stream."""

    def when_drained(self, callback: Callable[[], object]) -> None:
        """See Stream: nothing is ever unsent."""

    def fingerprint(self) -> str:
        """See Stream."""
        return ""

    def finish(self, reason: str) -> None:
        """See Stream."""
        if self._end_reason is None:
            self._end_reason = reason
            self._pass_later()

    def close(self, reason: str) -> None:
        """See Stream."""
        if self.is_open:
            on_closed, on_lost = self._on_closed, self._on_lost
            self._on_data = self._on_closed = self._on_lost = self._on_lines = ignore
            on_closed(reason)
            on_lost(reason)

    def _pass_later(self) -> None:
        if not self._is_deferred:
            self._is_deferred = True
            self._loop.defer(self._pass)

    def _pass(self) -> None:
        self._is_deferred = False
        written, self._written = b"".join(self._written), []
        received, self._received = b"".join(self._received), []
        if written:
            self._on_lines(written)
        if received:
            self._on_data(received)
        if self._end_reason is not None:
            self.close(self._end_reason)

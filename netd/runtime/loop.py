"""One readiness loop: callbacks for descriptors, timers, and work put off to the turn's end.

A turn is: wait, call each ready descriptor's callback, run the timers that are due, run what
was deferred. Input comes before timers, so a process that was stopped for a while reads what
arrived meanwhile before it judges anybody late.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Callable

from netd.runtime.poller import Poller

OnReady = Callable[[int], object]
Callback = Callable[[], object]


class Timer:
    """A call to come; `cancel` it any time."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callback) -> None:
        self._callback: Callback | None = callback

    def cancel(self) -> None:
        """Never call; harmless after the call."""
        self._callback = None

    @property
    def is_live(self) -> bool:
        """True until it has fired or was cancelled."""
        return self._callback is not None

    def fire(self) -> None:
        """Call, once."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Loop:
    """Calls back when descriptors are ready and when times come; single-threaded."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._callbacks: dict[int, OnReady] = {}
        self._masks: dict[int, int] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._timer_order = itertools.count()
        self._deferred: list[Callback] = []
        self._running = True
        self.now = time.monotonic()
        """Seconds of the monotonic clock when this turn's waiting ended."""

    def watch(self, fd: int, mask: int, callback: OnReady) -> None:
        """Call `callback(mask)` whenever `fd` is ready; PollerFullError where it cannot be."""
        self._poller.add(fd, mask)
        self._callbacks[fd] = callback
        self._masks[fd] = mask

    def change(self, fd: int, mask: int) -> None:
        """Watch `fd` for something else; 0 for nothing, for now."""
        if self._masks[fd] != mask:
            self._poller.change(fd, mask)
            self._masks[fd] = mask

    def forget(self, fd: int) -> None:
        """Stop watching `fd`; call it before the descriptor is closed."""
        del self._callbacks[fd], self._masks[fd]
        self._poller.remove(fd)

    def use(self, poller: Poller) -> None:
        """Move everything watched to another poller; PollerFullError leaves all as it was."""
        for fd, mask in self._masks.items():
            poller.add(fd, mask)
        self._poller.close()
        self._poller = poller

    def call_later(self, delay_s: float, callback: Callback) -> Timer:
        """Call once, `delay_s` from now."""
        timer = Timer(callback)
        due = time.monotonic() + delay_s
        heapq.heappush(self._timers, (due, next(self._timer_order), timer))
        return timer

    def call_every(self, period_s: float, callback: Callback) -> Timer:
        """Call again and again, first `period_s` from now, until cancelled."""
        repeating = Timer(callback)

        def again() -> None:
            if repeating.is_live:
                callback()
                self.call_later(period_s, again)

        self.call_later(period_s, again)
        return repeating

    def defer(self, callback: Callback) -> None:
        """Call once, at the end of this turn."""
        self._deferred.append(callback)

    def run(self) -> None:
        """Turn until `stop`, which may have been called already."""
        while self._running:
            self.turn()

    def stop(self) -> None:
        """Let `run` return when this turn is over."""
        self._running = False

    def turn(self) -> None:
        """Wait once and make every call that is due."""
        ready = self._poller.poll(self._patience())
        self.now = time.monotonic()
        callbacks = self._callbacks
        for fd, mask in ready:
            callback = callbacks.get(fd)  # an earlier callback of this turn may have closed it
            if callback is not None:
                callback(mask)
        if self._timers:
            self._fire_due()
        while self._deferred:
            deferred, self._deferred = self._deferred, []
            for call in deferred:
                call()

    def close(self) -> None:
        """Give back the poller."""
        self._poller.close()

    def _patience(self) -> float:
        if self._deferred or not self._running:
            return 0
        while self._timers and not self._timers[0][2].is_live:
            heapq.heappop(self._timers)
        if not self._timers:
            return math.inf
        return max(0.0, self._timers[0][0] - time.monotonic())

    def _fire_due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2].fire()

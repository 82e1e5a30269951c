"""A readiness loop: callbacks for descriptors, timers, and calls deferred to the end of a turn.

One turn waits for ready descriptors, calls their callbacks, fires the timers that are due, and
makes the deferred calls and the deferred output. Input comes before timers: a process that was
stopped for a while (SIGSTOP, a suspended machine) reads waiting input before a timer closes an idle
connection.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections import deque
from collections.abc import Callable

from netd.runtime.poller import Poller

_PAUSE_S = 0.1  # for a descriptor whose callback failed
OUTPUT_S = 0.003
"""The time of a turn for deferred output; the rest of the output waits for the next turn."""
LONG_TURN_S = 0.002
"""In a turn that has taken longer than this, long work should wait as deferred output does."""

OnReady = Callable[[int], object]
Callback = Callable[[], object]


class Timer:
    """A scheduled call, which can be cancelled at any time."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callback) -> None:
        self._callback: Callback | None = callback

    def cancel(self) -> None:
        """Cancel the call; without effect once the call was made."""
        self._callback = None

    @property
    def is_live(self) -> bool:
        """True until the timer fires or is cancelled."""
        return self._callback is not None

    def fire(self) -> None:
        """Make the call, unless the timer has fired or was cancelled."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Loop:
    """Calls back when descriptors are ready and timers are due; single-threaded."""

    def __init__(
        self,
        poller: Poller,
        clock: Callable[[], float] = time.monotonic,
        *,
        on_error: Callable[[Exception], object] | None = None,
    ) -> None:
        """`clock` returns the seconds of a monotonic clock.

        With `on_error` the loop continues after an exception in a call that it makes: `on_error`
        gets the exception, and a descriptor whose callback failed is not watched for 0.1 s.
        Without `on_error` the exception leaves `run`.
        """
        self._clock = clock
        self._on_error = on_error
        self.errors = 0
        """How many exceptions `on_error` was given."""
        self._poller = poller
        self._callbacks: dict[int, OnReady] = {}
        self._masks: dict[int, int] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._timer_order = itertools.count()
        self._deferred: list[Callback] = []
        self._for_next_turn: list[Callback] = []
        self._outputs: deque[Callback] = deque()
        self._has_late_output = False
        self._running = True
        self.now = self._clock()
        """The monotonic clock in seconds, read when this turn stopped waiting."""

    def time(self) -> float:
        """The monotonic clock in seconds, read now."""
        return self._clock()

    def elapsed_s(self) -> float:
        """The seconds since this turn stopped waiting."""
        return self._clock() - self.now

    @property
    def has_late_output(self) -> bool:
        """Whether deferred output of an earlier turn waits."""
        return self._has_late_output

    def watch(self, fd: int, mask: int, callback: OnReady) -> None:
        """Call `callback(mask)` while `fd` is ready. Raises PollerFullError."""
        self._poller.add(fd, mask)
        self._callbacks[fd] = callback
        self._masks[fd] = mask

    def modify(self, fd: int, mask: int) -> None:
        """Change the events that a descriptor is watched for; 0 pauses it."""
        if self._masks[fd] != mask:
            self._poller.modify(fd, mask)
            self._masks[fd] = mask

    def unwatch(self, fd: int) -> None:
        """Stop watching a descriptor; to be called before it is closed."""
        del self._callbacks[fd], self._masks[fd]
        try:
            self._poller.remove(fd)
        except OSError:  # the kernel forgets it when it is closed
            return

    def use_poller(self, poller: Poller) -> None:
        """Move all watched descriptors to another poller.

        Raises PollerFullError if it cannot watch one of them; the present poller then stays.
        """
        for fd, mask in self._masks.items():
            poller.add(fd, mask)
        self._poller.close()
        self._poller = poller

    def call_later(self, delay_s: float, callback: Callback) -> Timer:
        """Call once, `delay_s` seconds from now."""
        timer = Timer(callback)
        due = self._clock() + delay_s
        heapq.heappush(self._timers, (due, next(self._timer_order), timer))
        return timer

    def call_every(self, period_s: float, callback: Callback) -> Timer:
        """Call every `period_s` seconds, first after one period, until cancelled."""
        repeating = Timer(callback)

        def again() -> None:
            if repeating.is_live:
                self.call_later(period_s, again)
                callback()

        self.call_later(period_s, again)
        return repeating

    def defer(self, callback: Callback) -> None:
        """Call once, at the end of this turn."""
        self._deferred.append(callback)

    def defer_output(self, callback: Callback) -> None:
        """Call once, at the end of this turn, or of a later one if other output takes long."""
        self._outputs.append(callback)

    def call_next_turn(self, callback: Callback) -> None:
        """Call once at the end of the next turn, which does not wait."""
        self._for_next_turn.append(callback)

    def run(self) -> None:
        """Turn until `stop` is called; return at once if it was called before."""
        while self._running:
            self.turn()

    @property
    def is_running(self) -> bool:
        """True until `stop` is called."""
        return self._running

    def stop(self) -> None:
        """Let `run` return at the end of this turn."""
        self._running = False

    def turn(self) -> None:
        """Wait once, and make every call that is due."""
        ready = self._poller.poll(self._poll_timeout_s())
        if self._for_next_turn:
            self._deferred += self._for_next_turn
            self._for_next_turn.clear()
        self.now = self._clock()
        callbacks = self._callbacks
        for fd, mask in ready:
            callback = callbacks.get(fd)  # an earlier callback of this turn may have closed it
            if callback is not None:
                try:
                    callback(mask)
                except Exception as error:  # noqa: BLE001 (raised again without `on_error`)
                    self._handle(error)
                    self._pause(fd)
        if self._timers:
            self._fire_due()
        self._run_deferred()
        while self._outputs:
            self._run_outputs()
            self._run_deferred()
            if self._running:
                break
        self._has_late_output = bool(self._outputs)

    def close(self) -> None:
        """Close the poller."""
        self._poller.close()

    def _poll_timeout_s(self) -> float:
        if self._deferred or self._for_next_turn or self._outputs or not self._running:
            return 0
        while self._timers and not self._timers[0][2].is_live:
            heapq.heappop(self._timers)
        if not self._timers:
            return math.inf
        return max(0.0, self._timers[0][0] - self._clock())

    def _run_deferred(self) -> None:
        while self._deferred:
            deferred, self._deferred = self._deferred, []
            for call in deferred:
                self._guard(call)

    def _run_outputs(self) -> None:
        outputs, end = self._outputs, self._clock() + OUTPUT_S
        while outputs:
            self._guard(outputs.popleft())
            if self._clock() > end and self._running:
                break

    def _fire_due(self) -> None:
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            self._guard(heapq.heappop(self._timers)[2].fire)

    def _guard(self, call: Callback) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 (raised again without `on_error`)
            self._handle(error)

    def _handle(self, error: Exception) -> None:
        if self._on_error is None:
            raise error
        self.errors += 1
        self._on_error(error)

    def _pause(self, fd: int) -> None:
        """Pause a descriptor for a moment: its callback would fail again at once."""
        mask, callback = self._masks.get(fd), self._callbacks.get(fd)
        if not mask:
            return

        def resume() -> None:
            if self._callbacks.get(fd) is callback and not self._masks[fd]:
                self.modify(fd, mask)

        self.modify(fd, 0)
        self.call_later(_PAUSE_S, resume)

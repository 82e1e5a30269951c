"""Signals as calls on the loop.

Python runs a signal's handler between two instructions of the main thread. The handler only defers
the callback to the end of the loop's turn, and a descriptor (signal.set_wakeup_fd) ends the loop's
wait. If the system has no buffer for that wakeup, the callback is made when the loop wakes next.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType

from netd.runtime.loop import Loop
from netd.runtime.poller import READ


class SignalWatch:
    """Calls back on the loop when a signal arrives, until `close`.

    Signals that were blocked before arrive then.
    """

    def __init__(
        self, loop: Loop, callbacks: Mapping[signal.Signals, Callable[[], object]]
    ) -> None:
        self._signals = frozenset(callbacks)
        self._arrived, wakeup = socket.socketpair()
        self._arrived.setblocking(False)
        wakeup.setblocking(False)
        self._wakeup = wakeup
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)

        def on_signal(number: int, _frame: FrameType | None) -> None:
            loop.defer(callbacks[signal.Signals(number)])

        for signum in callbacks:
            signal.signal(signum, on_signal)
        loop.watch(self._arrived.fileno(), READ, self._on_wakeup)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, callbacks)

    def close(self) -> None:
        """Block the signals: for a process that ends, and must not be ended by one of them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)

    def _on_wakeup(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):  # reported readable by mistake
            self._arrived.recv(4096)

"""Signals as loop events: their numbers arrive on a descriptor (signal.set_wakeup_fd)."""

from __future__ import annotations

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
        self._callbacks = callbacks
        self._arrived, wakeup = socket.socketpair()
        self._arrived.setblocking(False)
        wakeup.setblocking(False)
        self._wakeup = wakeup
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        for signum in callbacks:
            signal.signal(signum, _on_signal)
        loop.watch(self._arrived.fileno(), READ, self._on_ready)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, callbacks)

    def close(self) -> None:
        """Block the signals: for a process that ends, and must not be ended by one of them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self._callbacks)

    def _on_ready(self, _mask: int) -> None:
        try:
            numbers = self._arrived.recv(4096)
        except BlockingIOError:  # it was reported readable; the next turn tries again
            return
        for number in numbers:
            callback = self._callbacks.get(signal.Signals(number))
            if callback is not None:
                callback()


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the number has been written to the wakeup descriptor already."""

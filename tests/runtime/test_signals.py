from __future__ import annotations

import os
import signal

from netd.runtime.loop import Loop
from netd.runtime.poller import READ, EpollPoller
from netd.runtime.signals import SignalWatch
from tests.support import call_in_child


def test_a_signal_is_a_callback_on_the_loop() -> None:
    def work() -> bytes:
        arrived: list[bytes] = []
        loop = Loop(EpollPoller())
        SignalWatch(loop, {signal.SIGUSR1: lambda: arrived.append(b"on the loop")})
        os.kill(os.getpid(), signal.SIGUSR1)
        before = list(arrived)
        loop.turn()
        return b"".join(arrived[len(before) :])

    assert call_in_child(work) == b"on the loop"


class EagerPoller(EpollPoller):
    """Reports every descriptor as readable, as the system may do by mistake: select(2), BUGS."""

    def __init__(self) -> None:
        super().__init__()
        register = self.add
        self._fds: list[int] = []

        def add(fd: int, mask: int) -> None:
            register(fd, mask)
            self._fds.append(fd)

        self.add = add  # type: ignore[assignment]

    def poll(self, _timeout_s: float) -> list[tuple[int, int]]:
        return [(fd, READ) for fd in self._fds]


def test_a_descriptor_without_a_signal_is_no_error() -> None:
    def work() -> bytes:
        loop = Loop(EagerPoller())
        SignalWatch(loop, {})
        loop.turn()
        return b"no error"

    assert call_in_child(work) == b"no error"


def test_a_signal_whose_wakeup_is_lost_is_handled_in_the_next_turn() -> None:
    def work() -> bytes:
        arrived: list[bytes] = []
        loop = Loop(EpollPoller())
        SignalWatch(loop, {signal.SIGUSR1: lambda: arrived.append(b"handled")})
        signal.set_wakeup_fd(-1)
        os.kill(os.getpid(), signal.SIGUSR1)
        loop.turn()
        return b"".join(arrived)

    assert call_in_child(work) == b"handled"

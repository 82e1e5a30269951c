from __future__ import annotations

import os
import signal

from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.runtime.process import run_in_child
from netd.runtime.signals import SignalWatch


def test_a_signal_is_a_callback_on_the_loop() -> None:
    def work() -> bytes:
        arrived: list[bytes] = []
        loop = Loop(EpollPoller())
        SignalWatch(loop, {signal.SIGUSR1: lambda: arrived.append(b"on the loop")})
        os.kill(os.getpid(), signal.SIGUSR1)
        before = list(arrived)
        loop.turn()
        return b"".join(arrived[len(before) :])

    assert run_in_child(work, 20) == b"on the loop"

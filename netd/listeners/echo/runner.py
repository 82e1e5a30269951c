"""Runs a slot in a forked process or in a thread, with one interface for the pool."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, Protocol

from netd.listeners.echo.slot import Slot, SlotConfig
from netd.runtime import process
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_STACK_BYTES = 2**18
INTERRUPT: Final = signal.SIGURG
"""Ends the wait of a slot; ignored by default, so by a slot that has not set its handler yet."""
_log = logging.getLogger("netd")

OnEnd = Callable[["SlotRunner", str], None]
"""Called on the loop with the runner and its failure; empty if the slot ended as intended."""


class SlotRunner(Protocol):
    """A running slot; `index` is its row of the scoreboard."""

    index: int

    def retire(self) -> None:
        """Let the slot end when its open connection has ended."""

    def close_expired(self) -> None:
        """Let the slot close its connection if the scoreboard marks it as expired."""

    def interrupt(self) -> None:
        """Let the slot send its connection to the worker and end; to be called until it has ended.

        See `Slot.interrupt`.
        """

    def kill(self) -> None:
        """End the connection and the slot now."""


class ForkRunner:
    """Runs a slot in a forked process."""

    def __init__(self, loop: Loop, config: SlotConfig, on_end: OnEnd) -> None:
        """Start the process. Raises OSError (EAGAIN, ENOMEM, EMFILE)."""
        self.index = config.index
        self._loop = loop
        self._on_end = on_end
        self._is_killed = False
        with contextlib.ExitStack() as on_error:
            self._wakeup = _open_eventfd(on_error)
            slot = Slot(config, self._wakeup)
            keep = [self._wakeup, *config.descriptors()]
            self._process = process.spawn(lambda: _run_forked(slot), keep)
            on_error.callback(self._process.destroy)
            loop.watch(self._process.pidfd, READ, self._on_exit)
            on_error.pop_all()
        if config.connection is not None:
            config.connection.close()

    def retire(self) -> None:
        os.eventfd_write(self._wakeup, 1)  # first: the signal handler may not exist yet
        self._process.kill(signal.SIGUSR2)

    def close_expired(self) -> None:
        self._process.kill(signal.SIGALRM)

    def interrupt(self) -> None:
        os.eventfd_write(self._wakeup, 1)
        self._process.kill(INTERRUPT)

    def kill(self) -> None:
        self._is_killed = True
        self._process.kill(signal.SIGKILL)

    def _on_exit(self, _mask: int) -> None:
        exit_status = self._process.reap()
        if exit_status is None:
            return
        self._loop.unwatch(self._process.pidfd)
        os.close(self._wakeup)
        ended_well = self._is_killed or exit_status == process.Exit(0, by_signal=False)
        if not ended_well:
            _log.error("echo process %d ended: %s", self._process.pid, exit_status)
        self._on_end(self, "" if ended_well else str(exit_status))


def _run_forked(slot: Slot) -> None:
    def on_retire(_number: int, _frame: FrameType | None) -> None:
        slot.leave()
        slot.close_sockets()

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        slot.interrupt()

    def on_expire(_number: int, _frame: FrameType | None) -> None:
        slot.close_expired()

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to the process group; the worker decides
    signal.signal(INTERRUPT, on_interrupt)
    signal.signal(signal.SIGUSR2, on_retire)
    signal.signal(signal.SIGALRM, on_expire)
    with slot:
        slot.run()


class ThreadRunner:
    """Runs a slot in a thread of the worker."""

    def __init__(self, loop: Loop, config: SlotConfig, on_end: OnEnd) -> None:
        """Start the thread. Raises OSError."""
        self.index = config.index
        self._loop = loop
        self._on_end = on_end
        self._ended_well = False
        self._is_past_calls = False
        self._may_signal = threading.Lock()  # held while the thread is signalled: it cannot end
        with contextlib.ExitStack() as opened:
            self._wakeup = _open_eventfd(opened)
            self._ended = _open_eventfd(opened)
            self._slot = Slot(config, self._wakeup)
            opened.enter_context(self._slot)
            loop.watch(self._ended, READ, self._on_exit)
            opened.callback(loop.unwatch, self._ended)
            self._thread = _start_thread(self._run, f"echo-{config.index}")
            self._opened = opened.pop_all()

    def retire(self) -> None:
        self._slot.leave()
        os.eventfd_write(self._wakeup, 1)

    def close_expired(self) -> None:
        self._slot.close_expired()

    def interrupt(self) -> None:
        with self._may_signal:
            if self._slot.interrupt() and not self._is_past_calls:
                # The handler runs in the main thread. In the slot's thread, the system call that
                # waits is restarted, with the time-outs that `Slot.interrupt` has set.
                signal.pthread_kill(self._thread.ident or 0, INTERRUPT)
        os.eventfd_write(self._wakeup, 1)

    def kill(self) -> None:
        self._slot.abort()

    def _run(self) -> None:
        _pin_to_process_cpu()
        try:
            self._slot.run()
            self._ended_well = True
        finally:
            with self._may_signal:
                self._is_past_calls = True
            os.eventfd_write(self._ended, 1)

    def _on_exit(self, _mask: int) -> None:
        self._thread.join()
        self._opened.close()
        self._on_end(self, "" if self._ended_well else "an error, see the log")


def _pin_to_process_cpu() -> None:
    """Pin the calling thread to a CPU that is the same for all threads of the process.

    Only one thread at a time holds the interpreter lock (GIL). If threads run on several CPUs,
    most system calls end with a wait for the lock and a wake-up from another CPU, which takes
    longer than the call. On one CPU, short connections are served twice as fast. Processes with
    consecutive pids use different CPUs. Does nothing if a sandbox (seccomp(2)) forbids the call.
    """
    with contextlib.suppress(OSError):
        usable = sorted(os.sched_getaffinity(os.getpid()))
        os.sched_setaffinity(0, {usable[os.getpid() % len(usable)]})


def _open_eventfd(opened: contextlib.ExitStack) -> int:
    fd = os.eventfd(0)
    opened.callback(os.close, fd)
    return fd


def _start_thread(run: Callable[[], None], name: str) -> threading.Thread:
    threading.stack_size(_STACK_BYTES)
    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # threading raises it for EAGAIN
        raise OSError(errno.EAGAIN, str(error)) from error
    return thread

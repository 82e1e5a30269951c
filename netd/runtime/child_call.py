"""Runs a function in a child process and gives its result to the loop."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Callable, Mapping
from typing import BinaryIO, Final

from netd.runtime import process
from netd.runtime.errnos import describe
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

_CHUNK_BYTES: Final = 65536
_FAILED: Final = process.Exit(os.EX_SOFTWARE, by_signal=False)
_REASON: Final = b"\0"  # in the pipe, before the reason why the child fails


class ChildCall:
    """One call of `work` in a child process, which frees its memory when it ends.

    `on_done` gets the result, or an OSError: TimeoutError if the child has not ended after
    `timeout_s` seconds or needs more than `max_cpu_s` of processor time, ChildProcessError if it
    fails or needs more than `max_memory_bytes` of address space (None: as much as this process
    may have).
    """

    def __init__(  # noqa: PLR0913 (its limits)
        self,
        loop: Loop,
        work: Callable[[], bytes],
        on_done: Callable[[bytes | OSError], object],
        *,
        timeout_s: float,
        max_cpu_s: int | None = None,
        max_memory_bytes: int | None = None,
    ) -> None:
        """Start the child. Raises OSError if the system has no room for it."""
        self._loop = loop
        self._on_done = on_done
        self._timeout_s, self._max_cpu_s = timeout_s, max_cpu_s
        self._result = bytearray()
        self._is_late = False
        with contextlib.ExitStack() as on_error:
            reader, writer = os.pipe2(os.O_CLOEXEC)
            self._reader = open(reader, "rb", buffering=0)  # noqa: SIM115 (closed with the call)
            on_error.callback(self._reader.close)
            with open(writer, "wb", buffering=0) as pipe:
                os.set_blocking(reader, False)
                limits = {resource.RLIMIT_CPU: max_cpu_s, resource.RLIMIT_AS: max_memory_bytes}
                self._child = process.spawn(lambda: _run(work, pipe, limits), keep=[writer])
            on_error.callback(self._child.destroy)
            loop.watch(reader, READ, self._on_readable)
            on_error.callback(loop.unwatch, reader)
            loop.watch(self._child.pidfd, READ, self._on_exit)
            on_error.pop_all()
        self._deadline = loop.call_later(timeout_s, self._on_deadline)

    def _on_readable(self, _mask: int) -> None:
        try:
            data = self._reader.read(_CHUNK_BYTES)
        except OSError:  # `_outcome` reads again, and reports the error
            data = b""
        if data:
            self._result += data
        elif data is not None:
            self._loop.modify(self._reader.fileno(), 0)  # the end; the exit follows

    def abandon(self) -> None:
        """End the child now, before its result has arrived; `on_done` is not called."""
        self._deadline.cancel()
        self._loop.unwatch(self._child.pidfd)
        self._loop.unwatch(self._reader.fileno())
        self._reader.close()
        self._child.destroy()

    def _on_deadline(self) -> None:
        self._is_late = True
        self._child.kill(signal.SIGKILL)

    def _on_exit(self, _mask: int) -> None:
        pidfd = self._child.pidfd
        exit_ = self._child.reap()
        if exit_ is None:
            return
        self._deadline.cancel()
        self._loop.unwatch(pidfd)
        self._loop.unwatch(self._reader.fileno())
        self._on_done(self._outcome(exit_))

    def _outcome(self, exit_: process.Exit) -> bytes | OSError:
        try:
            with contextlib.closing(self._reader):
                while data := self._reader.read(_CHUNK_BYTES):
                    self._result += data
        except OSError as error:
            return error
        if self._is_late:
            return TimeoutError(f"gave no answer within {self._timeout_s:g} s")
        if exit_ == process.Exit(signal.SIGXCPU, by_signal=True):
            return TimeoutError(f"gave no answer within {self._max_cpu_s} s of processor time")
        if exit_ != process.Exit(os.EX_OK, by_signal=False):
            reason = bytes(self._result).rpartition(_REASON)[2] if exit_ == _FAILED else b""
            why = f": {reason.decode()}" if reason else ""
            return ChildProcessError(f"the process that was to do it ended: {exit_}{why}")
        return bytes(self._result)


def _run(work: Callable[[], bytes], pipe: BinaryIO, limits: Mapping[int, int | None]) -> None:
    try:
        for kind, limit in limits.items():
            if limit is not None:
                resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))
        _write(pipe, work())
    except Exception as error:
        with contextlib.suppress(OSError):
            _write(pipe, _REASON + _describe(error).encode(errors="replace"))
        raise


def _write(pipe: BinaryIO, data: bytes) -> None:
    unwritten = memoryview(data)
    while unwritten:
        unwritten = unwritten[pipe.write(unwritten) :]


def _describe(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it needs more memory than it may have"
    if isinstance(error, OSError):
        return describe(error)
    return f"{type(error).__name__}, see the log"

"""Attaches strace(1) to running processes: to count their system calls, or to fail one of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

_CALL: Final = re.compile(r"^(?:(\d+) +)?(\w+)\(")
_ATTACH_S: Final = 10.0
_HAPPENED: Final = ("(INJECTED)", " = ?\n")  # the latter if the process was killed in the call


class AttachError(Exception):
    """strace could not attach: the process has ended, or strace may not trace it."""


class Strace:
    """Traces processes, from the entry of the context to its exit."""

    def __init__(
        self,
        pids: Sequence[int],
        output: Path,
        *,
        call: str = "",
        inject: str = "",
        threads: bool = False,
    ) -> None:
        """Trace all calls, or only `call` with the injection `inject`.

        strace counts calls for each thread. Processes that the traced ones fork are not traced,
        unless `threads` is true: then all threads and forked processes are.
        """
        self._pids = pids
        self._output = output
        self._threads = threads
        options = ["-e", f"trace={call}", "-e", f"inject={inject}"] if inject else []
        targets = [option for pid in pids for option in ("-p", str(pid))]
        self._command = ["strace", "-q", "-s", "48", "-o", str(output), *options, *targets]
        if threads:
            self._command.insert(1, "-f")

    def __enter__(self) -> Self:
        """Attach. Raises AttachError."""
        self._strace = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _ATTACH_S
        while not all(_is_traced(pid, all_threads=self._threads) for pid in self._pids):
            if self._strace.poll() is not None or time.monotonic() > deadline:
                self._end()
                raise AttachError(" ".join(self._command))
            time.sleep(0.002)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def has_injected(self) -> bool:
        """True once the call has failed, or the signal has ended the process."""
        text = self._output.read_text(errors="replace") if self._output.exists() else ""
        return any(sign in text for sign in _HAPPENED)

    def calls(self, pids: Sequence[int]) -> Mapping[str, Sequence[int]]:
        """The calls of one of `pids` by kind: the numbers of those that can fail, from 1.

        Of several processes, the one that made most calls of a kind counts.
        """
        by_process: dict[tuple[str, str], list[bool]] = {}
        for line in self._output.read_text(errors="replace").splitlines():
            match = _CALL.match(line)
            if match is not None and (not match[1] or int(match[1]) in pids):
                can_fail = match[2] != "epoll_ctl" or "EPOLL_CTL_ADD" in line
                by_process.setdefault((match[2], match[1]), []).append(can_fail)
        most: dict[str, list[bool]] = {}
        for (call, _), made in by_process.items():
            most[call] = max(most.get(call, []), made, key=len)
        return {
            call: [number for number, can_fail in enumerate(made, 1) if can_fail]
            for call, made in most.items()
        }

    def _end(self) -> None:
        """Detach; the processes continue."""
        if self._strace.poll() is None:
            self._strace.send_signal(signal.SIGINT)
        try:
            self._strace.wait(_ATTACH_S)
        except subprocess.TimeoutExpired:
            self._strace.kill()
            self._strace.wait()


def _is_traced(pid: int, *, all_threads: bool) -> bool:
    """Whether a process has a tracer: its first thread, or all of its threads."""
    try:
        threads = os.listdir(f"/proc/{pid}/task") if all_threads else [str(pid)]
        statuses = [Path(f"/proc/{pid}/task/{tid}/status").read_text() for tid in threads]
    except OSError:
        return False
    return all("TracerPid:\t0\n" not in status for status in statuses)

"""Processor time and memory of processes, from proc(5)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path


def family(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    pids = [pid]
    for member in pids:
        yield member
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            pids += map(int, Path(f"/proc/{member}/task/{member}/children").read_text().split())


def cpu_s(pids: Iterable[int]) -> float:
    """The processor time of the processes together, in seconds."""
    return sum(sum(_ticks(pid)[:2]) for pid in pids) / os.sysconf("SC_CLK_TCK")


def reaped_cpu_s(pid: int) -> float:
    """The processor time of the children of a process that have ended, in seconds."""
    return sum(_ticks(pid)[2:]) / os.sysconf("SC_CLK_TCK")


def waited_s(pid: int) -> float:
    """How long the first thread of a process has waited for a processor that others used.

    0.0 if the process has ended, or the system does not count it.
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def memory_kib(pid: int) -> dict[str, int]:
    """The sizes of smaps_rollup in KiB, such as Pss (shared pages counted in part)."""
    sizes = re.findall(r"(\w+): +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
    return {name: int(size) for name, size in sizes}


def _ticks(pid: int) -> list[int]:
    """utime, stime, cutime and cstime of proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return list(map(int, fields[11:15]))

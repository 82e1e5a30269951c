"""Processor time and memory of processes, from proc(5)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path


def family(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    pids = [pid]
    for member in pids:
        yield member
        pids += map(int, Path(f"/proc/{member}/task/{member}/children").read_text().split())


def cpu_s(pids: Iterable[int]) -> float:
    """The processor time of the processes together, in seconds."""
    return sum(map(_ticks, pids)) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid: int) -> dict[str, int]:
    """The sizes of smaps_rollup in KiB, such as Pss (shared pages counted in part)."""
    sizes = re.findall(r"(\w+): +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
    return {name: int(size) for name, size in sizes}


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])

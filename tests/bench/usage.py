"""What processes take, as the kernel tells it (proc(5))."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path


def family(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    pids = [pid]
    for each in pids:
        yield each
        pids += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of processor time they have had, together."""
    return sum(map(_ticks, pids)) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid: int) -> dict[str, int]:
    """KiB of memory by the names of smaps_rollup, as Pss (its share of what it shares)."""
    sizes = re.findall(r"(\w+): +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
    return {name: int(size) for name, size in sizes}


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])

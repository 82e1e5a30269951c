"""The use of processor, memory and descriptors by a process of this user (proc(5))."""

from __future__ import annotations

import os
import resource
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_UTIME: Final = 11  # in /proc/PID/stat, counted after the name of the program


def usage_of(pid: int) -> dict[str, float]:
    """The processor time, in seconds, and the resident memory; empty if the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
        with open(f"/proc/{pid}/statm", "rb") as file:
            resident_pages = int(file.read().split()[1])
    except OSError:
        return {}
    ticks = int(fields[_UTIME]) + int(fields[_UTIME + 1])
    return {"cpu_s": ticks / _TICKS_PER_S, "memory_bytes": resident_pages * _PAGE_BYTES}


def own_descriptors() -> dict[str, float]:
    """The number of descriptors that this process has open, and may have open.

    Empty if no descriptor is left to count them, without /proc, or if a sandbox hides the limit.
    """
    try:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return {"open_descriptors": len(os.listdir("/proc/self/fd")), "max_descriptors": soft}
    except OSError:
        return {}

"""Whether other processes live, and their limits, by proc(5) and prlimit(1)."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    return _state(f"/proc/{pid}") not in "ZX"


def is_stopped(pid: int) -> bool:
    """Whether every thread of a process is stopped by a signal."""
    return all(_state(str(task)) in "TX" for task in Path(f"/proc/{pid}/task").iterdir())


def _state(directory: str) -> str:
    """The letter of proc(5); X, dead, for a process that does not exist."""
    try:
        return Path(directory, "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def free_descriptor(pid: int) -> int:
    """The number that the next descriptor of a process gets."""
    held = set(map(int, os.listdir(f"/proc/{pid}/fd")))
    return next(number for number in itertools.count() if number not in held)


def set_descriptor_limit(pid: int, soft: int) -> None:
    """Set a process's soft limit of descriptors, as the user of that process."""
    status = Path(f"/proc/{pid}/status").read_text()
    user, group = (int(number) for number in re.findall(r"^[UG]id:\s+(\d+)", status, re.MULTILINE))
    command = ["prlimit", f"--pid={pid}", f"--nofile={soft}:"]
    if user == os.geteuid():
        subprocess.run(command, check=True)
    else:
        subprocess.run(command, check=True, user=user, group=group, extra_groups=[])

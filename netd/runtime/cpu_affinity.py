"""Keeping the threads of an interpreter on one processor.

Only one of them at a time runs Python. With a processor for each, nearly every system call ends
in waiting for the interpreter's lock and being woken from another processor, which takes longer
than the call: on one processor, short connections are served twice as fast.
"""

from __future__ import annotations

import contextlib
import os


def share_one() -> None:
    """Have the calling thread run where all others of the process that call this do.

    Processes that were started one after the other choose different processors. Nothing
    happens where the system forbids it, as a filter of system calls may.
    """
    with contextlib.suppress(OSError):
        usable = sorted(os.sched_getaffinity(os.getpid()))
        os.sched_setaffinity(0, {usable[os.getpid() % len(usable)]})

"""Keeps the threads of one interpreter on one CPU.

Only one thread at a time holds the interpreter lock (GIL). If threads run on several CPUs, most
system calls end with a wait for the lock and a wake-up from another CPU, which takes longer than
the call. On one CPU, short connections are served twice as fast.
"""

from __future__ import annotations

import contextlib
import os


def pin_to_process_cpu() -> None:
    """Pin the calling thread to a CPU that is the same for all threads of the process.

    Processes with consecutive pids use different CPUs. Does nothing if a sandbox (seccomp(2))
    forbids the call.
    """
    with contextlib.suppress(OSError):
        usable = sorted(os.sched_getaffinity(os.getpid()))
        os.sched_setaffinity(0, {usable[os.getpid() % len(usable)]})

"""Reports the memory of an idle daemon with a listener of each kind, process by process, and that
of the members of a chat.

Shared pages count in part for each process that shares them (proportional set size, proc(5)),
so the sum is the memory of the daemon.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench import harness_process, memory_members
from tests.bench.usage import family, memory_kib

_ECHO = 'kind = "echo"\naddress = ["tcp://127.0.0.1:{port}", "udp://127.0.0.1:{port}"]'
_OTHERS = """
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:{lounge}"

[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:{web}"

[[listeners.web.routes]]
path = "/hello"
text = "Hello from Epoll Server"
"""
_SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Memory:
    """A process's share, in KiB."""

    name: str
    proportional: int
    private: int  # written by this process, so not shared


def report() -> str:
    """A Markdown table."""
    held = measure()
    echo = [process for process in held if process.name == "netd: bench"]
    rows = [
        f"| {process.name} | {process.proportional:,} | {process.private:,} |" for process in held
    ]
    return "\n".join(
        [
            "| process | PSS, KiB | private, KiB |",
            "|---|--:|--:|",
            *rows,
            f"\nThe echo listener, {len(echo)} processes: {_mebibytes(echo):.1f} MiB.",
            f"The whole daemon: {_mebibytes(held):.1f} MiB.\n",
            memory_members.report(),
        ]
    )


def measure() -> list[Memory]:
    """Start a daemon and read the memory of each of its processes."""
    port, lounge, web = (harness_process.free_port() for _ in range(3))
    listeners = (_ECHO + _OTHERS).format(port=port, lounge=lounge, web=web)
    with harness_process.netd(listeners, port) as daemon:
        time.sleep(_SETTLE_S)
        return [_look(pid) for pid in family(daemon.pid)]


def _look(pid: int) -> Memory:
    sizes = memory_kib(pid)
    name = Path(f"/proc/{pid}/comm").read_text().strip()
    return Memory(name, sizes["Pss"], sizes["Private_Dirty"])


def _mebibytes(held: list[Memory]) -> float:
    return sum(process.proportional for process in held) / 1024

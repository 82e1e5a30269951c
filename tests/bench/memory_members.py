"""How much memory of the daemon a member of a chat takes, and a further session of an account."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Final

from tests.bench import harness_process
from tests.bench.chat_members import PATIENCE_S, discard, join, read_until
from tests.bench.usage import family, memory_kib

_COUNT: Final = 2000
_WARM_UP: Final = 200
_ACCOUNTS: Final = 25
_FURTHER: Final = _COUNT // _ACCOUNTS
_GOALS: Final = {"a member of a channel": 12.0, "a further session of an account": 8.0}
_SETTLE_S: Final = 3.0  # the supervisor gets a snapshot each second
_LISTENER: Final = """
kind = "chat"
address = "tcp://127.0.0.1:{port}"
flood_rate = 0
max_connections = 20000
poller = "epoll"
ping_after = "1h"
max_clients_per_account = 100
"""
_ACCOUNT: Final = """
[[listeners.bench.accounts]]
name = "{name}"
password = "password"
"""


def report() -> str:
    """A Markdown table."""
    rows = [
        f"| {what} | {worker:.1f} | {daemon:.1f} | {_GOALS[what]:g} |"
        for what, worker, daemon in measure()
    ]
    return "\n".join(
        [
            f"A chat with {_COUNT:,} more of them:\n",
            "| each one | worker, KiB | whole daemon, KiB | goal, KiB |",
            "|---|--:|--:|--:|",
            *rows,
        ]
    )


def measure() -> list[tuple[str, float, float]]:
    """What each one takes in the worker, and in all processes, in KiB."""
    port = harness_process.free_port()
    accounts = "".join(_ACCOUNT.format(name=f"a{number}") for number in range(_ACCOUNTS))
    sizes: list[tuple[int, int]] = []
    clients: list[socket.socket] = []
    with harness_process.netd(_LISTENER.format(port=port) + accounts, port) as daemon:
        clients += [*join(port, _WARM_UP), *_log_in(port, 2)]
        for connect in (list, partial(join, port, _COUNT, "c"), partial(_log_in, port, _FURTHER)):
            clients += connect()
            discard(clients)
            time.sleep(_SETTLE_S)
            sizes.append(_sizes(daemon.pid))
        for client in clients:
            client.close()
    return [
        (what, (after[0] - before[0]) / _COUNT, (after[1] - before[1]) / _COUNT)
        for what, (before, after) in zip(_GOALS, pairwise(sizes), strict=True)
    ]


def _log_in(port: int, count: int) -> Iterator[socket.socket]:
    """Connect clients of each account, which join its member."""
    for account in range(_ACCOUNTS):
        for _ in range(count):
            yield _log_in_to(port, f"a{account}")


def _log_in_to(port: int, account: str) -> socket.socket:
    credentials = base64.b64encode(f"\0{account}\0password".encode()).decode()
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    sock.sendall(
        b"CAP REQ :sasl\r\nAUTHENTICATE PLAIN\r\nAUTHENTICATE %s\r\nNICK %s\r\nUSER b 0 * :b\r\n"
        b"CAP END\r\nJOIN #bench\r\nPING joined\r\n" % (credentials.encode(), account.encode())
    )
    read_until(sock, b"joined\r\n")
    sock.setblocking(False)
    return sock


def _sizes(daemon: int) -> tuple[int, int]:
    """The memory of the worker, and of all processes, in KiB."""
    sizes = {pid: memory_kib(pid)["Private_Dirty"] for pid in family(daemon)}
    return sizes[max(sizes, key=lambda pid: memory_kib(pid)["Rss"])], sum(sizes.values())

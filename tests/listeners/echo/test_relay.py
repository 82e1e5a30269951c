"""A relay that is interrupted in each of its calls: another one continues with the next byte."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from netd.listeners.echo.relay import Copier, Relay, Splicer, allow_waiting, end_waiting
from netd.listeners.echo.runner import INTERRUPT
from netd.listeners.echo.scoreboard import Scoreboard
from tests.support import PATIENCE_S, read_all, read_exactly, wait_until

SMALL_BYTES = 5000  # less than Splicer moves through a pipe
LARGE_BYTES = 3_000_000  # more than the buffers hold


class Run:
    """A relay in a thread, and how it ended."""

    def __init__(self, relay: Relay, conn: socket.socket, unsent: bytes = b"") -> None:
        self.relay, self._conn = relay, conn
        self.unsent: bytes | None = b"not ended"
        self._thread = threading.Thread(target=self._run, args=(unsent,))
        self._thread.start()

    def _run(self, unsent: bytes) -> None:
        self.unsent = self.relay.echo(self._conn, unsent)
        self.relay.close()
        if self.unsent is None:
            self._conn.shutdown(socket.SHUT_WR)

    def interrupt(self) -> bytes | None:
        """Interrupt it as a slot's runner does, once: it waits in a call."""
        self.relay.interrupt()
        end_waiting(self._conn)
        assert self._thread.ident is not None
        signal.pthread_kill(self._thread.ident, INTERRUPT)
        return self.join()

    def join(self) -> bytes | None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.unsent


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    def ignore(_number: int, _frame: FrameType | None) -> None:
        """End the system call."""

    before = signal.signal(INTERRUPT, ignore)
    yield
    signal.signal(INTERRUPT, before)


def pair(family: socket.AddressFamily) -> tuple[socket.socket, socket.socket]:
    """Two connected sockets with small buffers."""
    if family == socket.AF_UNIX:
        ends = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            ends = client, listening.accept()[0]
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        end.settimeout(None)
    ends[0].settimeout(PATIENCE_S)
    return ends


def send_without_reading(client: socket.socket, data: bytes) -> threading.Thread:
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    return sender


def await_standstill(row: memoryview) -> None:
    """Wait until the relay waits: its counters stay the same."""
    seen: list[list[int]] = []

    def stands() -> bool:
        seen.append(row.tolist())
        return len(seen) > 20 and seen[-1] == seen[-20]

    wait_until(stands, "the relay to wait")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
@pytest.mark.parametrize("tag", [None, b"1: "])
@pytest.mark.parametrize("amount", [0, SMALL_BYTES, LARGE_BYTES])
@pytest.mark.parametrize("reads", [False, True], ids=["unread", "read"])
def test_no_byte_is_lost_whichever_call_waits(
    family: socket.AddressFamily, tag: bytes | None, amount: int, *, reads: bool
) -> None:
    row = Scoreboard().row(0)

    def make() -> Relay:
        return Splicer(row) if tag is None else Copier(row)

    client, conn = pair(family)
    data = random.randbytes(amount)
    received = b""
    with client, conn:
        run = Run(make(), conn)
        for _ in range(2):
            sender = send_without_reading(client, data)
            if reads:
                received += read_exactly(client, amount)
            await_standstill(row)
            unsent = run.interrupt()
            assert unsent is not None
            allow_waiting(conn)
            run = Run(make(), conn, unsent)
            if not reads:
                received += read_exactly(client, amount)
            sender.join()
        client.shutdown(socket.SHUT_WR)
        received += read_all(client)
        assert run.join() is None
    assert len(received) == 2 * amount
    assert received == data * 2


def test_a_relay_that_is_interrupted_before_it_starts_keeps_the_rest() -> None:
    client, conn = pair(socket.AF_UNIX)
    for relay in (Splicer(Scoreboard().row(0)), Copier(Scoreboard().row(0))):
        relay.interrupt()
        end_waiting(conn)
        rest = bytes(LARGE_BYTES)
        unsent = relay.echo(conn, rest)
        assert unsent is not None
        assert 0 < len(unsent) <= len(rest)
    client.close()
    conn.close()


def test_a_busy_relay_stops_after_the_present_piece() -> None:
    """The client never lets it wait, so that no call fails."""
    row = Scoreboard().row(0)
    client, conn = pair(socket.AF_UNIX)
    run = Run(Splicer(row), conn)

    def exchange() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                client.sendall(b"x" * 64)
                if not read_exactly(client, 64):
                    return

    exchanges = threading.Thread(target=exchange)
    exchanges.start()
    time.sleep(0.05)
    run.relay.interrupt()
    assert run.join() == b""
    conn.close()
    exchanges.join()
    client.close()

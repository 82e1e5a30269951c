"""Work of the room driver that no client has requested is done in slices."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise

import pytest

from tests.listeners.chat.test_ghosts import OPTIONS, Client, Server, end_slices_at_once
from tests.support import cheap_hash

_WITH_PASSWORD = dataclasses.replace(OPTIONS, password=cheap_hash("right"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    end_slices_at_once(monkeypatch)
    with closing(Server()) as started:
        yield started


def _crowd(server: Server) -> tuple[Client, list[Client]]:
    alice = server.connect().register("alice")
    crowd = [server.connect().register(f"member{number}") for number in range(40)]
    for client in crowd:
        client.send(*(f"JOIN #channel{number}" for number in range(4)))
    alice.read()
    return alice, crowd


def _quits(server: Server, alice: Client, turns: int) -> list[str]:
    """The QUITs that a member gets in some turns."""
    received = b""
    for _ in range(turns):
        server.turn()
        with contextlib.suppress(BlockingIOError):
            received += alice.sock.recv(65536)
    return [line for line in received.decode().splitlines() if " QUIT :" in line]


def test_members_that_are_lost_at_once_leave_in_slices(server: Server) -> None:
    alice, crowd = _crowd(server)
    for client in crowd:
        client.session.stream.close("lost")
    assert len(server.closed) == 40
    first = _quits(server, alice, 2)
    assert len(first) < 30
    quits = first + _quits(server, alice, 200)
    nicks = [line.partition(" :member")[2].partition("!")[0] for line in quits]
    assert nicks == [str(number) for number in range(40)]
    assert server.counters()["members"] == 1


def test_members_that_time_out_at_once_leave_in_slices(server: Server) -> None:
    alice, crowd = _crowd(server)
    for client in crowd:
        client.session._heard_at = client.session._pinged_at = -1e9
    server.driver.check_time_limits()
    server.driver.check_time_limits()
    quits = _quits(server, alice, 2)
    assert len(quits) < 30
    quits += _quits(server, alice, 200)
    assert len(quits) == 40
    assert all(line.endswith(" QUIT :Ping timeout") for line in quits)
    assert server.counters()["ping_timeout"] == 40


def test_members_that_flood_at_once_leave_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    end_slices_at_once(monkeypatch)
    options = dataclasses.replace(OPTIONS, flood_rate=1e-9, max_receive_queue=8192)
    with closing(Server(options)) as server:
        _, crowd = _crowd(server)
        for client in crowd:
            client.sock.sendall(b"PING x\n" * options.flood_burst)
        while not all(client.session._flood_timer for client in crowd):
            server.turn()
        for client in crowd:
            client.sock.sendall(b"PING x\n" * (options.max_receive_queue // 6))
        left = [len(server.driver.state.registered_members())]
        while left[-1] > 1:
            server.turn()
            left.append(len(server.driver.state.registered_members()))
        assert max(before - after for before, after in pairwise(left)) < 30
        assert server.counters()["excess_flood"] == 40


def test_members_leave_in_slices_while_the_memory_is_full(server: Server) -> None:
    _crowd(server)
    server.driver.state.memory.limit = 0
    server.driver.check_time_limits()
    server.turn()
    assert len(server.closed) < 30
    while len(server.closed) < 41:
        server.turn()
    assert server.counters()["memory_exceeded"] == 41


def test_clients_that_share_a_password_check_are_welcomed_in_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end_slices_at_once(monkeypatch)
    with closing(Server(_WITH_PASSWORD)) as server:
        clients = [server.connect() for _ in range(40)]
        for number, client in enumerate(clients):
            client.sock.sendall(f"PASS right\r\nNICK n{number}\r\nUSER n 0 * :n\r\n".encode())
        state = server.driver._room.state
        while not (members := state.registered_members()):
            server.turn()
        assert len(members) < 20
        while len(state.registered_members()) < 40:
            server.turn()


def test_a_handover_removes_the_members_that_are_lost_first(server: Server) -> None:
    _, crowd = _crowd(server)
    for client in crowd:
        client.session.stream.close("lost")
    saved, descriptors = server.driver.save()
    assert len(saved["sessions"]) == len(descriptors) == 1
    assert server.counters()["members"] == 1

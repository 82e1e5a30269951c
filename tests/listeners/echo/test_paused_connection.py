"""The saved state of connections: complete, strict, and readable in later versions."""

from __future__ import annotations

import copy
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netd.errors import StateError
from netd.listeners.echo import paused_connection, timeouts
from netd.listeners.echo.paused_connection import PausedConnection, SavedConnection
from netd.listeners.echo.scoreboard import Column
from netd.listeners.echo.slot import Slot
from netd.runtime import sealed_memory
from tests.support import attributes_of

GOLDEN = Path(__file__).parents[2] / "cases" / "echo" / "state-1.0.json"
NOW = 5000.0

Change = Callable[[dict[str, Any], list[Any], dict[str, Any]], object]
"""Damages a state; gets the whole, its connections, and the second of them."""


@pytest.fixture
def connections() -> Iterator[list[PausedConnection]]:
    made = [
        PausedConnection(socket.socket(), unsent, tag, is_admitted, since, moved_at)
        for unsent, tag, is_admitted, since, moved_at in (
            (None, False, True, 1000.25, 1001.5),
            (sealed_memory.seal(b"12: \0\x7f\x80\xff\n"), True, True, 12.0, 12.0),
            (None, False, False, 1002.0, 1002.0),
        )
    ]
    yield made
    for connection in made:
        connection.close()


def golden() -> Any:
    return json.loads(GOLDEN.read_text())


def test_the_state_is_that_of_the_first_version(connections: list[PausedConnection]) -> None:
    handover = paused_connection.save(connections)
    assert json.loads(json.dumps(handover.state)) == golden()
    first, second, third = connections
    assert handover.descriptors == [
        *(first.sock.fileno(), second.sock.fileno(), second.unsent, third.sock.fileno()),
    ]


def test_a_state_of_the_first_version_is_loaded(connections: list[PausedConnection]) -> None:
    saved = paused_connection.save(connections).descriptors
    descriptors = {position: os.dup(fd) for position, fd in enumerate(saved)}
    loaded = [item.take(descriptors) for item in paused_connection.load(golden(), NOW)]
    assert descriptors == {}
    for before, after in zip(connections, loaded, strict=True):
        assert after is not None
        for attribute in paused_connection.RECORD.saved:
            assert getattr(after, attribute) == getattr(before, attribute)
        assert os.path.sameopenfile(after.sock.fileno(), before.sock.fileno())
        assert (after.unsent is None) == (before.unsent is None)
        if after.unsent is not None:
            assert sealed_memory.read(after.unsent, 100) == b"12: \0\x7f\x80\xff\n"
        after.close()


def test_later_keys_are_ignored_and_missing_ones_have_a_default() -> None:
    state = {"connections": [{"sock": 7, "of a later version": [1]}], "later": None}
    [saved] = paused_connection.load(state, NOW)
    assert (saved.sock, saved.unsent, saved.attributes) == (
        *(7, None),
        {"tag": False, "is_admitted": True, "since": NOW, "moved_at": NOW},
    )


@pytest.mark.parametrize("missing", [0, 1])
def test_a_connection_is_lost_if_a_descriptor_is_missing(missing: int) -> None:
    saved = SavedConnection(0, 1, {"tag": False, "is_admitted": True, "since": 1, "moved_at": 1})
    descriptors = {0: socket.socket().detach(), 1: sealed_memory.seal(b"x")}
    os.close(descriptors.pop(missing))
    [left] = descriptors.values()
    assert saved.take(descriptors) is None
    assert not is_open(left)


def test_a_connection_is_lost_if_its_bytes_are_not_in_a_sealed_file() -> None:
    saved = SavedConnection(0, 1, {"tag": False, "is_admitted": True, "since": 1, "moved_at": 1})
    descriptors = {0: socket.socket().detach(), 1: os.memfd_create("unsealed")}
    opened = list(descriptors.values())
    assert saved.take(descriptors) is None
    assert not any(map(is_open, opened))


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "change",
    [
        lambda whole, *_: whole.clear(),
        lambda whole, *_: whole.update(connections={}),
        lambda whole, *_: whole.update(connections=None),
        lambda _whole, connections, _second: connections.append([]),
        lambda _whole, connections, _second: connections.append({}),
        lambda _whole, connections, second: connections.append(second),
        lambda *state: state[2].update(sock=-1),
        lambda *state: state[2].update(sock="1"),
        lambda *state: state[2].update(sock=True),
        lambda *state: state[2].pop("sock"),
        lambda *state: state[2].update(unsent=state[2]["sock"]),
        lambda *state: state[2].update(unsent="12: "),
        lambda *state: state[2].update(unsent=-1),
        lambda *state: state[2].update(tag=1),
        lambda *state: state[2].update(is_admitted="yes"),
        lambda *state: state[2].update(since="1"),
        lambda *state: state[2].update(since=float("nan")),
        lambda *state: state[2].update(moved_at=float("inf")),
        lambda *state: state[2].update(moved_at=None),
    ],
)
def test_a_damaged_state_is_refused(change: Change) -> None:
    state = copy.deepcopy(golden())
    change(state, state["connections"], state["connections"][1])
    with pytest.raises(StateError):
        paused_connection.load(state, NOW)


def test_every_attribute_of_a_connection_is_saved_or_not_with_a_reason() -> None:
    record = paused_connection.RECORD
    assert {*record.saved, *record.unsaved} == attributes_of(PausedConnection)
    assert all(record.unsaved.values())


TIMES = {
    "number": "that of the connection in its row; the next row has another",
    "bytes_moved": "a total of the row, to be compared with itself",
    "since": "PausedConnection.since",
    "moved_at": "PausedConnection.moved_at",
    "expired_at": "found anew from the times",
}
COLUMNS = {
    "HOST": "the socket's peer; the next process hashes it anew",
    "ACCEPTED": "a total of the process",
    "EXPIRED": "found anew from the times",
    "BYTES_IN": "a total of the process",
    "BYTES_OUT": "a total of the process",
    "DENIED": "a total of the process",
    "ADDRESS_FULL": "a total of the process",
    "RESET": "a total of the process",
    "ACCEPT_FAILURES": "a total of the process",
    "TAKEN_OVER": "a total of the process",
}
SLOT = {
    **dict.fromkeys(
        ("_scoreboard", "_index", "_pool_wakeup", "_row", "_sockets", "_wakeup", "_mailbox"),
        "of the process",
    ),
    **dict.fromkeys(("_epoll", "_is_forked", "_is_paused", "_low_idle"), "of the process"),
    **dict.fromkeys(("_is_leaving", "_is_interrupted", "_last_number"), "the slot's own end"),
    **dict.fromkeys(("_connection", "_conn"), "PausedConnection.sock"),
    **dict.fromkeys(("_relay", "_echo"), "PausedConnection.unsent is what they hold"),
    "_options": "PausedConnection.tag; the other ones are those of the listener",
    "_limits": "PausedConnection.is_admitted: they are checked once",
}


def test_nothing_else_is_known_of_a_connection() -> None:
    assert attributes_of(timeouts._Seen) == set(TIMES)
    assert set(Column.__members__) == set(COLUMNS)
    assert attributes_of(Slot) == set(SLOT)


def test_a_descriptor_that_is_no_socket_is_closed() -> None:
    fd, other = os.pipe()
    assert paused_connection.open_socket(fd) is None
    assert not is_open(fd)
    os.close(other)

"""Full garbage collections wait for a quiet moment."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing

import pytest

from netd.listeners.chat.garbage import GarbageCollections
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.session import Session
from netd.protocols.lines import LineFramer
from netd.runtime.stream import Stream
from tests.listeners.chat.test_ghosts import Server

_PARTS = (Session, Stream, Client, Member, LineFramer)


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_a_collection_waits_for_a_second_without_a_line() -> None:
    collections = GarbageCollections(0.0)
    assert not collections.check(59.0, 0)
    assert not collections.check(61.0, 5)
    assert collections.check(62.0, 5)
    assert not collections.check(63.0, 5)


def test_a_listener_that_is_never_quiet_collects_in_the_end() -> None:
    collections = GarbageCollections(0.0)
    assert not any(collections.check(float(now), now) for now in range(1799))
    assert collections.check(1801.0, 1801)


def test_only_full_collections_are_replaced() -> None:
    young, middle, _ = gc.get_threshold()
    GarbageCollections(0.0)
    assert gc.get_threshold()[:2] == (young, middle)


def test_a_closed_session_leaves_no_cycles() -> None:
    with closing(Server()) as server:
        client = server.connect().register("alice")
        gc.collect()
        gc.disable()
        try:
            client.sock.close()
            while not server.closed:
                server.turn()
            server.turn()
            server._open.clear()
            server.closed.clear()
            del client
            left = [found for found in gc.get_objects() if isinstance(found, _PARTS)]
        finally:
            gc.enable()
    assert not left

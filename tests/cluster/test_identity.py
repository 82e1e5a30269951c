"""A client that has lost its connection finds its place on another host by what it can prove."""

from __future__ import annotations

import pytest

from tests.cluster.replicated_room import ReplicatedRoomUnderTest
from tests.listeners.chat.room.room_under_test import FakeClient

ONE, OTHER = "1" * 64, "2" * 64


@pytest.fixture
def room() -> ReplicatedRoomUnderTest:
    """Two hosts, to which clients connect in turn, the first one to the first host."""
    return ReplicatedRoomUnderTest(on_both=True)


def _enter(room: ReplicatedRoomUnderTest, node: str, **proofs: str) -> FakeClient:
    """A client that asks for the nick bob."""
    room.hosts.place_next(node)
    client = room.connect(**proofs)
    client.send("NICK bob", "USER bob 0 * :bob")
    return client


def test_a_certificate_gives_the_place_back_on_another_host(room: ReplicatedRoomUnderTest) -> None:
    lost = _enter(room, "one", fingerprint=ONE)
    lost.send("JOIN #room")
    ann = room.join("ann", channel="#room")
    room.suspend(lost, "lost")
    assert "433" in _enter(room, "two", fingerprint=OTHER).codes("NICK bob")
    again = _enter(room, "two", fingerprint=ONE)
    assert again.client.is_registered
    assert ann.read() == [], "the others notice nothing"
    again.send("PRIVMSG #room :back")
    assert ann.read()[0].endswith("PRIVMSG #room :back")
    assert again.codes("NAMES #room") == ["353", "366"]
    room.check_equal()


def test_the_place_of_a_client_that_is_connected_is_its_own(room: ReplicatedRoomUnderTest) -> None:
    _enter(room, "one", fingerprint=ONE)
    again = _enter(room, "two", fingerprint=ONE)
    assert "433" in again.codes("NICK bob")


def test_a_local_user_is_one_of_its_host(room: ReplicatedRoomUnderTest) -> None:
    lost = _enter(room, "one", local_user="bob")
    room.suspend(lost, "lost")
    assert "433" in _enter(room, "two", local_user="bob").codes("NICK bob")
    room.hosts.rooms["two"].state.host = "one"  # as for another worker of the host
    assert _enter(room, "two", local_user="bob").client.is_registered
    room.check_equal()


def test_a_client_that_is_back_is_not_lost(room: ReplicatedRoomUnderTest) -> None:
    lost = _enter(room, "one", fingerprint=ONE)
    room.suspend(lost, "lost")
    again = _enter(room, "one", fingerprint=ONE)
    assert again.client.is_registered
    for host in room.hosts.rooms.values():
        assert not any(client.resume_proof for client in host.state.clients())
    assert "433" in _enter(room, "two", fingerprint=ONE).codes("NICK bob")
    room.check_equal()


def test_a_token_has_no_such_hash(room: ReplicatedRoomUnderTest) -> None:
    lost = _enter(room, "one", fingerprint=ONE)
    room.suspend(lost, "lost")
    room.hosts.place_next("two")
    thief = room.connect()
    thief.send("CAP REQ netd.dev/resume")
    assert "INVALID_TOKEN" in thief.send(f"RESUME :bob {ONE}")[0]

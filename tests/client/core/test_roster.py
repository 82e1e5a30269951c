from __future__ import annotations

import pytest

from netd.client.core import client_state, roster
from netd.client.core.roster import Roster
from tests.client.core.feeding import feed, welcome


def test_members_are_listed_by_their_last_message() -> None:
    channel = Roster(str.lower).join("#c")
    for nick in ("carol", "Bob", "alice"):
        channel.add(nick)
    channel.note_message("bob")
    channel.note_message("stranger")
    assert channel.members_by_last_message() == ["Bob", "alice", "carol"]


def test_channels_are_compared_by_their_folded_names() -> None:
    channels = Roster(str.lower)
    channels.join("#A")
    assert "#a" in channels
    channels.leave("#a")
    assert (len(channels), channels.first_name()) == (0, "")


def test_the_members_of_all_channels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "MAX_MEMBERS", 5)
    bob = welcome()
    feed(bob, ":bob!u@h JOIN #dev", ":srv 353 bob = #dev :a b c d e f g")
    assert sum(map(len, bob.state.roster)) == 5


def test_the_channels_that_a_server_adds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_state, "MAX_CHANNELS", 3)
    bob = welcome()
    for number in range(9):
        feed(bob, f"@time=2030-01-01T10:00:0{number}.000Z :bob!u@h JOIN #{number}")
    assert len(bob.state.autojoin) == 3
    assert len(bob.state.last_heard) <= 3
    bob.type("/join #own")
    feed(bob, ":bob!u@h JOIN #own")
    assert "#own" in bob.state.roster

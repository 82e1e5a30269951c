from __future__ import annotations

from netd.client.core.chat_events import Refused
from netd.client.core.client_state import Identity
from netd.client.core.irc_client import IrcClient
from tests.client.core.feeding import feed, lines


def taken() -> IrcClient:
    """A client that wanted to be bob and is bob_."""
    client = IrcClient(Identity("bob"))
    client.connected()
    feed(client, ":srv 433 * bob :in use", ":srv 001 bob_ :Welcome", ":bob_!u@h JOIN #lounge")
    return client


def test_the_server_reports_when_the_nick_is_free() -> None:
    bob = taken()
    asked = lines(feed(bob, ":srv 005 bob_ MONITOR=100 :are supported", ":srv 376 bob_ :End"))
    assert asked == ["MONITOR + bob"]
    assert lines(feed(bob, ":srv 730 bob_ :bob!u@h")) == []
    assert lines(feed(bob, ":srv 731 bob_ :bob")) == ["NICK bob"]
    feed(bob, ":bob_!u@h NICK bob")
    assert lines(feed(bob, ":srv 731 bob :bob")) == []


def test_it_is_taken_when_its_user_leaves_or_is_renamed() -> None:
    assert lines(feed(taken(), ":bob!u@h QUIT :gone")) == ["NICK bob"]
    assert lines(feed(taken(), ":bob!u@h NICK robert")) == ["NICK bob"]


def test_without_monitor_it_is_tried_from_time_to_time_and_quietly() -> None:
    bob = taken()
    assert lines(bob.tick()) == ["NICK bob"]
    assert feed(bob, ":srv 433 bob_ bob :in use") == []
    bob.type("/nick bob")
    assert feed(bob, ":srv 433 bob_ bob :in use") == [Refused("bob: in use", "433", "bob")]


def test_another_choice_of_the_user_ends_the_wait() -> None:
    bob = taken()
    feed(bob, ":bob_!u@h NICK robert")
    assert bob.tick() == []
    assert lines(feed(bob, ":bob!u@h QUIT :gone")) == []

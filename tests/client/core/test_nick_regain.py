from __future__ import annotations

import base64

from netd.client.core.chat_events import Notice, Refused
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


def test_a_nick_that_the_server_chose_is_kept() -> None:
    bob = IrcClient(Identity("bob"))
    bob.connected()
    feed(bob, ":srv 001 robert :Welcome", ":srv 005 robert MONITOR=100 :are supported")
    assert lines(feed(bob, ":srv 376 robert :End")) == []
    assert bob.tick() == []
    bob.disconnected()
    assert "NICK robert" in lines(bob.connected())


def test_another_nick_does_not_change_the_account() -> None:
    bob = IrcClient(Identity("bob", password="secret"))
    bob.connected()
    feed(bob, ":srv 001 bob :Welcome", ":bob!u@h NICK robert")
    bob.disconnected()
    bob.connected()
    feed(bob, "CAP * LS :sasl", "CAP * ACK :sasl")
    (login,) = lines(feed(bob, "AUTHENTICATE +"))
    plain = base64.b64decode(login.removeprefix("AUTHENTICATE "))
    assert plain == b"bob\0bob\0secret"


def test_the_nick_of_the_own_account_is_taken_at_once() -> None:
    bob = IrcClient(Identity("bob", password="secret"))
    bob.connected()
    feed(bob, "CAP * LS :sasl", "CAP * ACK :sasl", ":srv 900 * * bob :You are now logged in as bob")
    feed(bob, ":srv 433 * bob :in use", ":srv 001 bob_ :Welcome")
    feed(bob, ":srv 005 bob_ MONITOR=100 :are supported")
    assert lines(feed(bob, ":srv 376 bob_ :End")) == ["MONITOR + bob", "REGAIN bob"]
    assert feed(bob, ":srv 421 bob_ REGAIN :Unknown command") == []


def test_after_a_login_by_hand_the_nick_is_taken() -> None:
    bob = taken()
    (hint,) = feed(bob, ":srv 376 bob_ :End")
    assert hint == Notice("if bob is your account, /ns IDENTIFY bob PASSWORD gives you the nick")
    assert lines(feed(bob, ":srv 900 bob_ bob_!u@h bob :You are logged in")) == ["REGAIN bob"]

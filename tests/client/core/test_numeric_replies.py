"""Numeric replies of a server, passed through an IrcClient."""

from __future__ import annotations

import pytest

from netd.client.core import bars
from netd.client.core.chat_events import (
    ChannelJoined,
    Delivered,
    Notice,
    Refused,
    ServerNotice,
    Undelivered,
)
from netd.client.core.styled_text import plain_text
from tests.client.core.feeding import feed, lines, welcome


def test_joining_lists_the_members() -> None:
    bob = welcome()
    assert feed(bob, ":bob!u@h JOIN #dev") == [ChannelJoined("#dev")]
    named = feed(bob, ":srv 353 bob = #dev :@alice +carol", ":srv 366 bob #dev :End")
    assert named == [Notice("3 here: alice, bob, carol", "#dev")]


def test_a_refused_message_is_reported_with_the_reason() -> None:
    bob = welcome()
    bob.type("/msg ghost boo")
    bob.due(0)
    refused = feed(bob, ":srv 401 bob ghost :No such nick")
    assert refused == [Undelivered("ghost", "boo", "No such nick")]
    assert feed(bob, ":srv PONG srv netd-chat-1") == []


def test_a_refused_topic_does_not_refuse_a_message() -> None:
    bob = welcome("echo-message")
    bob.type("/topic x")
    bob.type("hello")
    bob.due(0)
    (refused,) = feed(bob, ":srv 482 bob #lounge :You're not channel operator")
    assert refused == Refused("#lounge: You're not channel operator", "482", "#lounge")
    assert Delivered("#lounge", "hello") in feed(bob, ":bob!u@h PRIVMSG #lounge :hello")


def test_the_message_of_the_day_is_shown_once() -> None:
    bob = welcome()
    assert feed(bob, ":srv 372 bob :- hello", ":srv 376 bob :End") == [ServerNotice("hello")]
    bob.disconnected()
    bob.connected()
    assert feed(bob, ":srv 001 bob :Welcome", ":srv 372 bob :- hello")[2:] == []


def test_a_channel_that_refuses_the_client_is_not_joined_again() -> None:
    bob = welcome()
    bob.type("/join #vip")
    assert feed(bob, ":srv 473 bob #vip :Cannot join channel (+i)") == [
        Refused("#vip: Cannot join channel (+i)", "473", "#vip")
    ]
    bob.disconnected()
    bob.connected()
    assert lines(feed(bob, ":srv 001 bob :Welcome")) == ["JOIN #lounge"]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (":srv 332 bob #lounge :be kind", Notice("the topic is: be kind", "#lounge")),
        (":srv 301 bob alice :asleep", Notice("alice is away: asleep")),
        (":srv 306 bob :You are away", Notice("You are away")),
        (":srv 311 bob alice u h * :Alice", Notice("alice is u@h: Alice")),
        (":srv 312 bob alice irc.net :A network", Notice("alice is on irc.net (A network)")),
        (":srv 314 bob alice u h * :Alice", Notice("alice was u@h: Alice")),
        (":srv 317 bob alice 3725 0 :idle", Notice("alice was last active 1 h 2 min 5 s ago")),
        (":srv 319 bob alice :@#a #b ", Notice("alice is in @#a #b")),
        (":srv 330 bob alice anna :is logged in as", Notice("alice is logged in as anna")),
        (":srv 671 bob alice :is secure", Notice("alice is secure")),
        (":srv 433 bob al :in use", Refused("al: in use", "433", "al")),
    ],
)
def test_replies_as_text(line: str, event: Notice | Refused) -> None:
    assert feed(welcome(), line) == [event]


def test_a_user_who_is_away_is_reported_once_and_in_each_whois() -> None:
    bob = welcome()
    bob.type("/query alice")
    away = ":srv 301 bob alice :at lunch"
    assert feed(bob, away, away) == [Notice("alice is away: at lunch")]
    assert len(feed(bob, ":srv 301 bob alice :asleep")) == 1
    shown = feed(bob, ":srv 311 bob alice u h * :Alice", away, ":srv 318 bob alice :End")
    assert shown[-1] == Notice("alice is away: at lunch")


def test_who_is_away_is_requested_and_followed() -> None:
    bob = welcome("away-notify")
    bob.state.wants_away = True
    assert lines(feed(bob, ":srv 366 bob #lounge :End")) == ["WHO #lounge"]
    feed(bob, ":srv 352 bob #lounge u h srv alice G@ :0 Alice", ":srv 315 bob #lounge :End")
    channel = bob.state.roster.get("#lounge")
    assert channel is not None
    assert channel.is_away("Alice")
    bob.type("/query alice")
    assert plain_text(bars.title(bob.state, "srv")) == " alice  private conversation, away"
    feed(bob, ":alice!u@h NICK al")
    assert channel.is_away("al")
    feed(bob, ":al!u@h AWAY")
    assert not channel.is_away("al")
    feed(bob, ":al!u@h AWAY :at lunch", ":al!u@h PART #lounge", ":al!u@h JOIN #lounge")
    assert not channel.is_away("al")
    (shown,) = feed(bob, ":srv 352 bob #lounge u h srv al H :0 Alice A")
    assert shown == Notice("al is u@h H: Alice A"), "the user has requested it"


def test_scripts_and_large_channels_request_no_who() -> None:
    assert lines(feed(welcome("away-notify"), ":srv 366 bob #lounge :End")) == []
    bob = welcome("away-notify")
    bob.state.wants_away = True
    for first in range(0, 300, 50):
        names = " ".join(f"n{number}" for number in range(first, first + 50))
        feed(bob, f":srv 353 bob = #lounge :{names}")
    assert lines(feed(bob, ":srv 366 bob #lounge :End")) == []

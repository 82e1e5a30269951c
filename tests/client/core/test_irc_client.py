"""IrcClient over several connections, and how its messages are confirmed."""

from __future__ import annotations

import pytest

from netd.client.core import missed_messages
from netd.client.core.chat_events import (
    ChannelJoined,
    ChatMessage,
    Delivered,
    Notice,
    Registered,
    Undelivered,
)
from netd.client.core.irc_client import IrcClient
from tests.client.core.feeding import events, feed, lines, welcome


def test_without_echo_a_ping_confirms() -> None:
    bob = welcome()
    assert bob.type("hello") == []
    effects = bob.due(0)
    assert lines(effects) == ["PRIVMSG #lounge :hello", "PING netd-chat-1"]
    assert events(effects) == [ChatMessage("bob", "#lounge", "hello", mine=True)]
    assert feed(bob, ":srv PONG srv netd-chat-1") == [Delivered("#lounge", "hello")]


def test_with_echo_the_echo_shows_and_confirms() -> None:
    bob = welcome("echo-message")
    bob.type("hello")
    effects = bob.due(0)
    assert lines(effects) == ["PRIVMSG #lounge :hello"]
    assert events(effects) == []
    effects = feed(bob, ":bob!u@h PRIVMSG #lounge :hello")
    assert effects == [
        ChatMessage("bob", "#lounge", "hello", mine=True),
        Delivered("#lounge", "hello"),
    ]


def test_a_lost_connection_keeps_unconfirmed_messages() -> None:
    bob = welcome()
    bob.type("first")
    bob.due(0)
    bob.disconnected()
    notices = bob.type("second")
    assert notices == [Notice("not connected; kept until the connection is back")]
    assert bob.due(100) == []
    bob.connected()
    effects = feed(bob, ":srv 001 bob :Welcome")
    assert effects[0] == Registered("bob", again=True)
    assert bob.due(101) == [], "not before we are in the channel again"
    feed(bob, ":bob!u@h JOIN #lounge")
    effects = bob.due(102)
    assert [line for line in lines(effects) if line.startswith("PRIVMSG")] == [
        "PRIVMSG #lounge :first",
        "PRIVMSG #lounge :second",
    ]
    assert events(effects) == [ChatMessage("bob", "#lounge", "second", mine=True)], (
        "first was shown"
    )


def test_a_line_that_waits_for_the_channel_is_announced_as_kept() -> None:
    bob = welcome(ALL_CAPS)
    feed(bob, ONE)
    reconnected(bob)
    assert bob.type("early") == [Notice("not in #lounge yet; kept until you are")]
    assert lines(bob.type("/join #dev")) == ["JOIN #dev"]
    assert bob.type("earlier") == [Notice("not in #dev yet; kept until you are")]
    feed(bob, ":bob!u@h JOIN #lounge")
    late = [Notice("kept until the server has sent what was said meanwhile")]
    assert bob.say_to("#lounge", "late") == late
    feed(bob, ":srv PONG srv :netd-chat-missed 1 #lounge")
    assert lines(bob.due(0)) == ["PRIVMSG #lounge :early", "PRIVMSG #lounge :late"]
    feed(bob, ":bob!u@h JOIN #dev")
    assert lines(bob.due(0)) == ["PRIVMSG #dev :earlier"]


@pytest.mark.parametrize(
    "refusal",
    [":srv 480 bob #lounge :Try later", ":srv FAIL JOIN TRY_LATER #lounge :Try later"],
)
def test_a_line_for_a_channel_that_lets_the_client_in_no_more_is_undelivered(refusal: str) -> None:
    bob = welcome()
    bob.type("sent")
    bob.due(0)
    bob.disconnected()
    bob.connected()
    feed(bob, ":srv 001 bob :Welcome")
    bob.type("kept")
    dropped = [Undelivered("#lounge", text, "Try later") for text in ("sent", "kept")]
    assert feed(bob, refusal)[1:] == dropped
    assert bob.type("more") == [
        Undelivered("#lounge", "more", "you are not in #lounge; /join #lounge")
    ]
    assert len(bob.state.outbox) == 0


def test_a_line_sent_to_a_channel_that_the_client_was_in_no_more_is_undelivered() -> None:
    bob = welcome()
    bob.type("too late")
    bob.due(0)
    feed(bob, ":alice!u@h KICK #lounge bob :out")
    bob.disconnected()
    bob.connected()
    _, undelivered = feed(bob, ":srv 001 bob :Welcome")
    assert undelivered == Undelivered(
        "#lounge", "too late", "you are not in #lounge; /join #lounge"
    )


def test_after_a_reconnect_only_missed_messages_are_requested_and_shown() -> None:
    bob = welcome("batch draft/chathistory message-tags server-time")
    feed(bob, "@time=2030-01-01T10:00:00.000Z;msgid=a :alice!u@h PRIVMSG #lounge :one")
    bob.disconnected()
    bob.connected()
    feed(bob, "CAP * ACK :batch draft/chathistory", ":srv 001 bob :Welcome")
    asked = lines(feed(bob, "@time=2030-01-01T11:00:00.000Z :bob!u@h JOIN #lounge"))
    assert asked == [
        "CHATHISTORY AFTER #lounge timestamp=2030-01-01T10:00:00.000Z 100",
        "PING :netd-chat-missed 1 #lounge",
    ]
    again = "@batch=1;time=2030-01-01T10:00:00.000Z;msgid=a :alice!u@h PRIVMSG #lounge :one"
    assert feed(bob, "BATCH +1 chathistory #lounge", again, "BATCH -1") == []


ALL_CAPS = "batch draft/chathistory echo-message message-tags netd.dev/resume server-time"
ONE = "@time=2030-01-01T10:00:00.000Z;msgid=a :alice!u@h PRIVMSG #lounge :one"
TWO = "@batch=1;time=2030-01-01T10:01:00.000Z;msgid=b :alice!u@h PRIVMSG #lounge :two"
OWN = "@batch=1;time=2030-01-01T10:02:00.000Z;msgid=c :bob!u@h PRIVMSG #lounge :mine"


def reconnected(bob: IrcClient, *before_welcome: str) -> list[str]:
    """Reconnect; return the lines sent after the welcome."""
    bob.disconnected()
    bob.connected()
    feed(bob, f"CAP * LS :{ALL_CAPS}", f"CAP * ACK :{ALL_CAPS}", *before_welcome)
    return lines(feed(bob, ":srv 001 bob :Welcome"))


def test_all_pages_of_the_missed_messages_are_requested() -> None:
    bob = welcome(ALL_CAPS)
    feed(bob, ":srv 005 bob CHATHISTORY=1 :are supported", ONE)
    assert reconnected(bob) == [
        "JOIN #lounge",
        (
            "CHATHISTORY TARGETS timestamp=2030-01-01T09:59:59.000Z"
            " timestamp=9999-12-31T23:59:59.999Z 50"
        ),
    ]
    assert lines(feed(bob, ":bob!u@h JOIN #lounge")) == [
        "CHATHISTORY AFTER #lounge timestamp=2030-01-01T09:59:59.000Z 1",
        "PING :netd-chat-missed 1 #lounge",
    ]
    again = ONE.replace("@", "@batch=1;", 1)
    assert lines(feed(bob, "BATCH +1 chathistory #lounge", again, "BATCH -1")) == [
        "CHATHISTORY AFTER #lounge msgid=a 1",
        "PING :netd-chat-missed 2 #lounge",
    ]
    bob.type("hi")
    feed(bob, ":srv PONG srv :netd-chat-missed 1 #lounge")
    assert bob.due(0) == [], "the history is not complete"
    effects = feed(bob, "BATCH +1 chathistory #lounge", TWO, "BATCH -1")
    assert [event.text for event in events(effects) if isinstance(event, ChatMessage)] == ["two"]
    feed(bob, "BATCH +1 chathistory #lounge", "BATCH -1")
    feed(bob, ":srv PONG srv :netd-chat-missed 3 #lounge")
    assert lines(bob.due(0)) == ["PRIVMSG #lounge :hi"]


def test_a_history_that_is_too_long_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed_messages, "MAX_PAGES", 1)
    bob = welcome(ALL_CAPS)
    feed(bob, ":srv 005 bob CHATHISTORY=1 :are supported", ONE)
    reconnected(bob)
    feed(bob, ":bob!u@h JOIN #lounge")
    effects = feed(bob, "BATCH +1 chathistory #lounge", TWO, "BATCH -1")
    assert lines(effects) == []
    assert Notice(missed_messages._INCOMPLETE, "#lounge") in effects


def test_missed_private_messages_are_requested() -> None:
    bob = welcome(ALL_CAPS)
    feed(bob, ONE)
    reconnected(bob)
    feed(bob, "@time=2030-01-01T11:00:00.000Z;msgid=z :alice!u@h PRIVMSG #lounge :new")
    asked = lines(
        feed(
            bob,
            ":srv BATCH +1 draft/chathistory-targets",
            "@batch=1 :srv CHATHISTORY TARGETS #lounge 2030-01-01T10:30:00.000Z",
            "@batch=1 :srv CHATHISTORY TARGETS carol 2030-01-01T10:30:00.000Z",
            ":srv BATCH -1",
        )
    )
    assert asked == [
        "CHATHISTORY AFTER carol timestamp=2030-01-01T09:59:59.000Z 100",
        "PING :netd-chat-missed 1 carol",
    ]


def test_a_message_that_is_in_the_history_is_not_sent_again() -> None:
    bob = welcome(ALL_CAPS)
    feed(bob, ONE)
    bob.type("mine")
    bob.type("yours")
    bob.due(0)
    reconnected(bob)
    feed(bob, ":bob!u@h JOIN #lounge")
    assert bob.due(1) == []
    effects = feed(bob, "BATCH +1 chathistory #lounge", OWN, "BATCH -1")
    assert Delivered("#lounge", "mine") in effects
    feed(bob, ":srv PONG srv :netd-chat-missed 1 #lounge")
    assert lines(bob.due(2)) == ["PRIVMSG #lounge :yours"]


def test_a_kept_place_is_taken_with_the_token() -> None:
    bob = welcome(ALL_CAPS)
    bob.state.resume_token = "old"
    bob.type("mine")
    bob.type("yours")
    bob.due(0)
    bob.disconnected()
    bob.connected()
    asked = lines(feed(bob, f"CAP * LS :{ALL_CAPS}", f"CAP * ACK :{ALL_CAPS}"))
    assert asked == [f"CAP REQ :{ALL_CAPS}", "RESUME old", "CAP END"]
    effects = feed(
        bob,
        ":srv RESUME TOKEN new",
        ":srv RESUME SUCCESS bob",
        ":srv 001 bob :Welcome",
        ":bob!u@h JOIN #lounge",
        ":srv 332 bob #lounge :a topic",
        ":srv 353 bob = #lounge :@alice bob",
        ":srv 366 bob #lounge :End",
    )
    assert lines(effects)[0] == "PING netd-chat-resumed"
    assert events(effects) == [Registered("bob", True, True), ChannelJoined("#lounge")]
    assert bob.state.resume_token == "old", "until the server has sent all"
    effects = feed(bob, ":bob!u@h PRIVMSG #lounge :mine")
    assert Delivered("#lounge", "mine") in effects
    assert bob.due(1) == []
    feed(bob, ":srv PONG srv netd-chat-resumed")
    assert bob.state.resume_token == "new"
    assert lines(bob.due(2)) == ["PRIVMSG #lounge :yours"]


def test_a_channel_that_the_kept_place_has_left_is_not_joined_again() -> None:
    bob = welcome(ALL_CAPS)
    feed(bob, ":bob!u@h JOIN #dev")
    reconnected(bob, ":srv RESUME SUCCESS bob")
    feed(bob, ":bob!u@h JOIN #lounge", ":alice!u@h KICK #dev bob :out")
    assert lines(feed(bob, ":srv PONG srv netd-chat-resumed")) == []

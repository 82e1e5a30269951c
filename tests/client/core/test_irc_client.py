"""IrcClient over several connections, and how its messages are confirmed."""

from __future__ import annotations

from netd.client.core.chat_events import ChatMessage, Delivered, Notice, Registered
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


def test_after_a_reconnect_only_missed_messages_are_requested_and_shown() -> None:
    bob = welcome("batch draft/chathistory message-tags server-time")
    feed(bob, "@time=2030-01-01T10:00:00.000Z;msgid=a :alice!u@h PRIVMSG #lounge :one")
    bob.disconnected()
    bob.connected()
    feed(bob, "CAP * ACK :batch draft/chathistory", ":srv 001 bob :Welcome")
    asked = lines(feed(bob, "@time=2030-01-01T11:00:00.000Z :bob!u@h JOIN #lounge"))
    assert asked == ["CHATHISTORY LATEST #lounge timestamp=2030-01-01T10:00:00.000Z 50"]
    again = "@batch=1;time=2030-01-01T10:00:00.000Z;msgid=a :alice!u@h PRIVMSG #lounge :one"
    assert feed(bob, "BATCH +1 chathistory #lounge", again, "BATCH -1") == []

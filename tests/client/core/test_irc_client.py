from __future__ import annotations

import pytest

from netd.client.core.chat_events import (
    ChangeKind,
    ChannelJoined,
    ChatMessage,
    Delivered,
    MembershipChange,
    MessageKind,
    Notice,
    Refused,
    Registered,
    Undelivered,
)
from tests.client.core.feeding import events, feed, lines, welcome


def test_joining_lists_the_members() -> None:
    bob = welcome()
    assert feed(bob, ":bob!u@h JOIN #dev") == [ChannelJoined("#dev")]
    named = feed(bob, ":srv 353 bob = #dev :@alice +carol", ":srv 366 bob #dev :End")
    assert named == [Notice("3 here: alice, bob, carol", "#dev")]


def test_membership_changes() -> None:
    bob = welcome()
    assert feed(bob, ":carol!u@h JOIN #lounge") == [
        MembershipChange(ChangeKind.JOINED, "carol", "#lounge")
    ]
    assert feed(bob, ":carol!u@h NICK caro") == [
        MembershipChange(ChangeKind.RENAMED, "carol", detail="caro")
    ]
    assert feed(bob, ":caro!u@h PART #lounge :bye") == [
        MembershipChange(ChangeKind.LEFT, "caro", "#lounge", "bye")
    ]
    assert feed(bob, ":alice!u@h QUIT :gone") == [
        MembershipChange(ChangeKind.QUIT, "alice", detail="gone")
    ]
    channel = bob.state.roster.get("#lounge")
    assert channel is not None
    assert channel.members_by_last_message() == ["bob"]


def test_messages_in_a_channel_and_private_ones() -> None:
    bob = welcome()
    assert feed(bob, ":alice!u@h PRIVMSG #lounge :hi all") == [
        ChatMessage("alice", "#lounge", "hi all")
    ]
    (private,) = feed(bob, ":alice!u@h PRIVMSG bob :psst")
    assert private == ChatMessage("alice", "bob", "psst", mention=True)
    (notice,) = feed(bob, ":srv NOTICE bob :look")
    assert notice == ChatMessage("srv", "bob", "look", MessageKind.NOTICE)


@pytest.mark.parametrize("text", ["bob: hi", "hi BOB!", "so,bob"])
def test_a_mention_is_the_name_as_a_word(text: str) -> None:
    (said,) = feed(welcome(), f":alice!u@h PRIVMSG #lounge :{text}")
    assert said == ChatMessage("alice", "#lounge", text, mention=True)


@pytest.mark.parametrize("text", ["hi bobby", "kebob", "hi"])
def test_a_part_of_a_word_is_no_mention(text: str) -> None:
    (said,) = feed(welcome(), f":alice!u@h PRIVMSG #lounge :{text}")
    assert said == ChatMessage("alice", "#lounge", text)


def test_an_action_is_shown_and_other_ctcp_is_not_answered() -> None:
    bob = welcome()
    (said,) = feed(bob, ":alice!u@h PRIVMSG #lounge :\x01ACTION waves\x01")
    assert said == ChatMessage("alice", "#lounge", "waves", MessageKind.ACTION)
    assert feed(bob, ":alice!u@h PRIVMSG bob :\x01VERSION\x01") == []


def test_messages_of_an_ignored_nick_are_hidden() -> None:
    bob = welcome()
    bob.type("/ignore Alice")
    assert feed(bob, ":alice!u@h PRIVMSG #lounge :hi") == []
    bob.type("/ignore alice")
    assert len(feed(bob, ":alice!u@h PRIVMSG #lounge :hi")) == 1


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


@pytest.mark.parametrize("text", ["hello", "\x01VERSION\x01"])
def test_an_echo_that_is_not_shown_confirms_too(text: str) -> None:
    bob = welcome("echo-message")
    bob.type("/ignore bob")
    bob.type(text)
    bob.due(0)
    echoed = feed(bob, f":bob!u@h PRIVMSG #lounge :{text}")
    assert echoed[-1] == Delivered("#lounge", text)


def test_when_echoes_end_a_ping_confirms_the_rest() -> None:
    bob = welcome("echo-message")
    bob.type("first")
    bob.due(0)
    assert lines(feed(bob, ":srv CAP bob DEL :echo-message")) == ["PING netd-chat-1"]
    assert feed(bob, ":srv PONG srv netd-chat-1") == [Delivered("#lounge", "first")]
    bob.type("second")
    assert lines(bob.due(1)) == ["PRIVMSG #lounge :second", "PING netd-chat-2"]


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


def test_a_standard_reply_refuses_too() -> None:
    bob = welcome("echo-message")
    bob.type("secret")
    bob.due(0)
    refused = feed(bob, "FAIL PRIVMSG DENIED #lounge :Not today")
    assert refused == [Undelivered("#lounge", "secret", "Not today")]
    assert feed(bob, "FAIL * ACCESS :Go away") == [Refused("Go away", "ACCESS")]


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


def test_the_message_of_the_day_is_shown_once() -> None:
    bob = welcome()
    assert feed(bob, ":srv 372 bob :- hello", ":srv 376 bob :End") == [Notice("hello")]
    bob.disconnected()
    bob.connected()
    assert feed(bob, ":srv 001 bob :Welcome", ":srv 372 bob :- hello")[2:] == []


def test_history_is_requested_and_marked_as_old() -> None:
    caps = "batch draft/chathistory message-tags server-time"
    bob = welcome(caps)
    asked = lines(feed(bob, "@time=2030-01-01T10:00:00.000Z :bob!u@h JOIN #dev"))
    assert asked == ["CHATHISTORY LATEST #dev * 50"]
    history = feed(
        bob,
        ":srv BATCH +1 chathistory #dev",
        "@batch=1;msgid=a;time=2030-01-01T09:00:00.000Z :alice!u@h PRIVMSG #dev :bob, look",
        "@batch=1;msgid=b;time=2030-01-01T09:30:00.000Z :bob!u@h PRIVMSG #dev :yes",
        ":srv BATCH -1",
    )
    assert history == [
        Notice("2 earlier messages", "#dev"),
        ChatMessage("alice", "#dev", "bob, look", time="2030-01-01T09:00:00.000Z", old=True),
        ChatMessage("bob", "#dev", "yes", mine=True, time="2030-01-01T09:30:00.000Z", old=True),
    ]


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


def test_a_malformed_time_is_not_sent_back() -> None:
    bob = welcome("batch draft/chathistory message-tags server-time")
    (said,) = feed(bob, "@time=z\\r\\nQUIT :alice!u@h PRIVMSG #lounge :hi")
    assert said == ChatMessage("alice", "#lounge", "hi")
    asked = lines(feed(bob, "@time=soon :bob!u@h JOIN #lounge"))
    assert asked == ["CHATHISTORY LATEST #lounge * 50"]


def test_a_channel_that_refuses_the_client_is_not_joined_again() -> None:
    bob = welcome()
    bob.type("/join #vip")
    assert feed(bob, ":srv 473 bob #vip :Cannot join channel (+i)") == [
        Refused("#vip: Cannot join channel (+i)", "473", "#vip")
    ]
    bob.disconnected()
    bob.connected()
    assert lines(feed(bob, ":srv 001 bob :Welcome")) == ["JOIN #lounge"]


def test_a_kick_is_reported() -> None:
    bob = welcome()
    (refused,) = feed(bob, ":alice!u@h KICK #lounge bob :enough")
    assert refused == Refused("you were thrown out of #lounge by alice (enough)", "KICK", "#lounge")
    assert bob.type("but") == [Refused("you are not in #lounge; /join #lounge")]
    feed(bob, ":bob!u@h JOIN #lounge")
    (change,) = feed(bob, ":alice!u@h KICK #lounge carol")
    assert change == MembershipChange(ChangeKind.KICKED, "carol", "#lounge", "by alice")


@pytest.mark.parametrize("line", [":alice!u@h KICK #lounge bob", ":bob!u@h PART #lounge"])
def test_leaving_the_current_channel_reports_the_new_one(line: str) -> None:
    bob = welcome()
    feed(bob, ":bob!u@h JOIN #dev")
    assert feed(bob, line)[-1] == Notice("you talk here now", "#dev")
    assert bob.state.current == "#dev"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (":srv 332 bob #lounge :be kind", Notice("the topic is: be kind", "#lounge")),
        (":alice!u@h TOPIC #lounge :new", Notice("alice set the topic: new", "#lounge")),
        (":alice!u@h TOPIC #lounge :", Notice("alice removed the topic", "#lounge")),
        (":alice!u@h MODE #lounge +o bob", Notice("alice set mode +o bob", "#lounge")),
        (":srv 301 bob alice :asleep", Notice("alice is away: asleep")),
        (":srv 306 bob :You are away", Notice("You are away")),
        (":srv 311 bob alice u h * :Alice", Notice("alice is u@h: Alice")),
        (":srv 317 bob alice 3725 0 :idle", Notice("alice was last active 1 h 2 min 5 s ago")),
        (":srv 319 bob alice :@#a #b ", Notice("alice is in @#a #b")),
        (":srv 330 bob alice anna :is logged in as", Notice("alice is logged in as anna")),
        (":srv 671 bob alice :is secure", Notice("alice is secure")),
        (":srv 433 bob al :in use", Refused("al: in use", "433", "al")),
        (":a!u@h INVITE bob #x", Notice("a invites you to #x: /join #x")),
        ("WARN * OLD :Update", Notice("Update")),
    ],
)
def test_messages_as_notices(line: str, words: Notice | Refused) -> None:
    assert feed(welcome(), line) == [words]


@pytest.mark.parametrize(
    "line",
    [
        "JOIN",
        "PRIVMSG #x",
        "KICK",
        "NICK",
        "BATCH",
        "TOPIC",
        "311",
        "317",
        "332",
        "ERROR",
        "FAIL",
        "PONG",
    ],
)
def test_a_line_with_too_few_parameters_is_ignored(line: str) -> None:
    assert [e for e in feed(welcome(), line) if not isinstance(e, Notice)] == []

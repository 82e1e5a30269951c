"""Messages of a server, passed through an IrcClient."""

from __future__ import annotations

import pytest

from netd.client.core.chat_events import (
    ChangeKind,
    ChatMessage,
    Delivered,
    EarlierMessages,
    MembershipChange,
    MessageKind,
    Notice,
    Refused,
    Switched,
    Undelivered,
)
from tests.client.core.feeding import feed, lines, welcome


def test_membership_changes() -> None:
    bob = welcome()
    assert feed(bob, ":carol!u@h JOIN #lounge") == [
        MembershipChange(ChangeKind.JOINED, "carol", "#lounge")
    ]
    assert feed(bob, ":carol!u@h NICK caro") == [
        MembershipChange(ChangeKind.RENAMED, "carol", detail="caro", channels=("#lounge",))
    ]
    assert feed(bob, ":caro!u@h PART #lounge :bye") == [
        MembershipChange(ChangeKind.LEFT, "caro", "#lounge", "bye")
    ]
    assert feed(bob, ":alice!u@h QUIT :gone") == [
        MembershipChange(ChangeKind.QUIT, "alice", detail="gone", channels=("#lounge",))
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


def test_a_highlighted_word_is_a_mention() -> None:
    bob = welcome()
    bob.state.highlights = ("deploy", "", "c++")
    texts = ["Deploy now", "deployed", "C++ is", "bob!"]
    said = [feed(bob, f":alice!u@h PRIVMSG #lounge :{text}") for text in texts]
    assert [chat.mention for (chat,) in said if isinstance(chat, ChatMessage)] == [
        *(True, False, True, True)
    ]


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


def test_a_standard_reply_refuses_too() -> None:
    bob = welcome("echo-message")
    bob.type("secret")
    bob.due(0)
    refused = feed(bob, "FAIL PRIVMSG DENIED #lounge :Not today")
    assert refused == [Undelivered("#lounge", "secret", "Not today")]
    assert feed(bob, "FAIL * ACCESS :Go away") == [Refused("Go away", "ACCESS")]


@pytest.mark.parametrize(
    "response",
    [
        ["@label=netd-chat-1 :NickServ!s@h NOTICE bob :Hello"],
        [
            "@label=netd-chat-1 BATCH +1 labeled-response",
            "@batch=1 :NickServ!s@h NOTICE bob :Hello",
            "@batch=1 :NickServ!s@h NOTICE bob :more",
            "BATCH -1",
        ],
        ["@label=netd-chat-1 ACK"],
    ],
)
def test_any_labeled_response_confirms(response: list[str]) -> None:
    bob = welcome("batch echo-message labeled-response message-tags")
    bob.type("/msg NickServ HELP")
    bob.due(0)
    assert feed(bob, *response)[-1] == Delivered("NickServ", "HELP")
    bob.disconnected()
    assert len(bob.state.outbox) == 0, "it is not sent again"


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
        EarlierMessages("2 earlier messages", "#dev"),
        ChatMessage(
            *("alice", "#dev", "bob, look"),
            mention=True,
            time="2030-01-01T09:00:00.000Z",
            old=True,
            id="a",
        ),
        ChatMessage(
            *("bob", "#dev", "yes"), mine=True, time="2030-01-01T09:30:00.000Z", old=True, id="b"
        ),
    ]


def test_a_malformed_time_is_not_sent_back() -> None:
    bob = welcome("batch draft/chathistory message-tags server-time")
    (said,) = feed(bob, "@time=z\\r\\nQUIT :alice!u@h PRIVMSG #lounge :hi")
    assert said == ChatMessage("alice", "#lounge", "hi")
    asked = lines(feed(bob, "@time=soon :bob!u@h JOIN #lounge"))
    assert asked == ["CHATHISTORY LATEST #lounge * 50"]


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2030-13-01T00:00:00Z"]
)
def test_a_time_that_cannot_be_calculated_with_is_ignored(time: str) -> None:
    bob = welcome("batch draft/chathistory message-tags server-time")
    feed(bob, f"@time={time} :alice!u@h PRIVMSG bob :hi")
    assert bob.state.last_time == ""


def test_targets_that_were_not_requested_are_bounded() -> None:
    bob = welcome("batch draft/chathistory message-tags server-time")
    feed(bob, "@time=2030-01-01T10:00:00.000Z :alice!u@h PRIVMSG bob :hi")
    bob.disconnected()
    bob.connected()
    caps = "batch draft/chathistory message-tags server-time"
    feed(bob, f"CAP * LS :{caps}", f"CAP * ACK :{caps}", ":srv 001 bob :Welcome")
    asked = [feed(bob, f"CHATHISTORY TARGETS n{n} 2030-01-01T10:00:00.000Z") for n in range(1000)]
    assert asked[0]
    assert not asked[-1]


def test_a_kick_is_reported() -> None:
    bob = welcome()
    (refused,) = feed(bob, ":alice!u@h KICK #lounge bob :enough")
    assert refused == Refused("you were kicked from #lounge by alice (enough)", "KICK", "#lounge")
    outside = "you are not in #lounge; /join #lounge"
    assert bob.type("but") == [Undelivered("#lounge", "but", outside)]
    feed(bob, ":bob!u@h JOIN #lounge")
    (change,) = feed(bob, ":alice!u@h KICK #lounge carol")
    assert change == MembershipChange(ChangeKind.KICKED, "carol", "#lounge", "by alice")


def test_leaving_the_current_channel_reports_the_new_one() -> None:
    bob = welcome()
    feed(bob, ":bob!u@h JOIN #dev")
    assert feed(bob, ":bob!u@h PART #lounge")[-1] == Switched("you talk here now", "#dev")
    assert bob.state.current == "#dev"


def test_a_channel_that_removed_the_user_stays_in_view() -> None:
    bob = welcome()
    feed(bob, ":bob!u@h JOIN #dev", ":alice!u@h KICK #lounge bob")
    assert bob.state.current == "#lounge", "the next words must not go to another channel"


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (":alice!u@h TOPIC #lounge :new", Notice("alice set the topic: new", "#lounge")),
        (":alice!u@h TOPIC #lounge :", Notice("alice removed the topic", "#lounge")),
        (":alice!u@h MODE #lounge +o bob", Notice("alice set mode +o bob", "#lounge")),
        (":a!u@h INVITE bob #x", Notice("a invites you to #x: /join #x")),
        ("WARN * OLD :Update", Notice("Update")),
    ],
)
def test_messages_as_text(line: str, event: Notice | Refused) -> None:
    assert feed(welcome(), line) == [event]


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

"""The slash commands about channels, messages and conversations."""

from __future__ import annotations

import pytest

from netd.client.core.chat_events import (
    ChatMessage,
    Notice,
    Refused,
    ScreenAction,
    ScreenRequest,
    Undelivered,
)
from netd.client.core.irc_client import IrcClient
from tests.client.core.feeding import events, feed, lines, welcome

CAPS = "batch draft/chathistory draft/message-redaction message-tags server-time"


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("/names", "NAMES #lounge"),
        ("/n #dev", "NAMES #dev"),
        ("/topic #dev new one", "TOPIC #dev :new one"),
        ("/list", "LIST"),
        ("/list *dev*", "LIST *dev*"),
        ("/invite alice", "INVITE alice #lounge"),
        ("/invite alice #dev", "INVITE alice #dev"),
        ("/kick alice", "KICK #lounge alice"),
        ("/kick #dev alice not here", "KICK #dev alice :not here"),
        ("/ban", "MODE #lounge b"),
        ("/ban alice", "MODE #lounge +b alice!*@*"),
        ("/ban *!*@host", "MODE #lounge +b *!*@host"),
        ("/unban alice", "MODE #lounge -b alice!*@*"),
        ("/op alice carol", "MODE #lounge +oo alice carol"),
        ("/devoice alice", "MODE #lounge -v alice"),
        ("/mode", "MODE #lounge"),
        ("/mode +m", "MODE #lounge +m"),
        ("/mode bob +i", "MODE bob +i"),
        ("/notice alice hi there", "NOTICE alice :hi there"),
        ("/wc", "PART #lounge"),
        ("/quote MODE #lounge +t", "MODE #lounge +t"),
    ],
)
def test_commands_become_irc_lines(typed: str, sent: str) -> None:
    bob = welcome()
    effects = [*bob.type(typed), *bob.due(0)]
    assert lines(effects)[0].replace(" :", " ") == sent.replace(" :", " ")


@pytest.mark.parametrize(
    "typed", ["/topic x", "/names", "/kick alice", "/ban x", "/op alice", "/invite alice"]
)
def test_a_command_for_a_channel_needs_one(typed: str) -> None:
    bob = welcome()
    bob.type("/query alice")
    assert bob.type(typed) == [
        Refused("this conversation is no channel; name one, as in /names #lounge")
    ]


def test_a_query_is_a_conversation_that_can_be_closed() -> None:
    bob = welcome()
    assert bob.type("/query alice psst") == []
    assert bob.state.current == "alice"
    assert lines(bob.due(0))[0] == "PRIVMSG alice :psst"
    bob.type("/close")
    assert (bob.state.current, len(bob.state.conversations)) == ("#lounge", 2)


def test_conversations_are_chosen_by_number_name_and_step() -> None:
    bob = welcome()
    bob.type("/query alice")
    for typed, current in (
        ("/win 2", "#lounge"),
        ("/buffer ali", "alice"),
        ("/win next", ""),
        ("/window goto 3", "alice"),
        ("/win -1", "#lounge"),
    ):
        assert bob.type(typed) == []
        assert bob.state.current == current, typed
    assert bob.type("/win 9") == [Refused("no conversation 9; /win lists them")]
    assert bob.type("/win") == [Notice("1  server"), Notice("2  #lounge (current)"),
                                Notice("3  alice")]  # fmt: skip


def test_a_closed_conversation_reports_the_lines_that_waited_for_it() -> None:
    bob = welcome()
    bob.disconnected()
    bob.type("later")
    assert bob.type("/close") == [Undelivered("#lounge", "later", "you left #lounge")]


def test_the_server_cannot_be_closed() -> None:
    bob = welcome()
    bob.type("/win 1")
    assert isinstance(bob.type("/close")[0], Refused)


def heard(bob: IrcClient) -> None:
    feed(
        bob,
        "@msgid=a1 :alice!u@h PRIVMSG #lounge :first",
        "@msgid=c1 :carol!u@h PRIVMSG #lounge :second",
        "@msgid=b1 :bob!u@h PRIVMSG #lounge :own",
    )


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("/reply yes", "@+draft/reply=c1 PRIVMSG #lounge :yes"),
        ("/reply alice yes", "@+draft/reply=a1 PRIVMSG #lounge :yes"),
        ("/reply alice: yes", "@+draft/reply=a1 PRIVMSG #lounge :yes"),
        ("/reply -1 yes", "@+draft/reply=b1 PRIVMSG #lounge :yes"),
        ("/react +1", "@+draft/react=+1;+draft/reply=c1;+draft/persist TAGMSG #lounge"),
        ("/react +1 alice", "@+draft/react=+1;+draft/reply=a1;+draft/persist TAGMSG #lounge"),
        ("/redact", "REDACT #lounge b1"),
        ("/redact alice no spam", "REDACT #lounge a1 :no spam"),
        ("/delete -2", "REDACT #lounge c1"),
    ],
)
def test_messages_are_answered_and_deleted(typed: str, sent: str) -> None:
    bob = welcome(CAPS)
    heard(bob)
    effects = [*bob.type(typed), *bob.due(0)]
    assert lines(effects)[0].replace(" :", " ") == sent.replace(" :", " ")


def test_the_same_reaction_again_withdraws_it() -> None:
    bob = welcome(CAPS)
    heard(bob)
    bob.type("/react +1")
    (withdrawn,) = lines(bob.type("/react +1"))
    assert withdrawn.startswith("@+draft/unreact=+1;+draft/reply=c1")
    assert lines(bob.type("/react +1"))[0].startswith("@+draft/react")


@pytest.mark.parametrize("typed", ["/reply yes", "/react +1", "/redact"])
def test_without_a_message_there_is_nothing_to_answer(typed: str) -> None:
    assert isinstance(welcome(CAPS).type(typed)[0], Refused)


def test_the_server_searches_if_it_can() -> None:
    bob = welcome("batch soju.im/search message-tags")
    asked = lines(bob.type("/search from=alice hello; world"))
    assert asked == ["SEARCH limit=50;in=#lounge;from=alice;text=hello\\:\\sworld"]
    assert lines(bob.type("/search in=* x")) == ["SEARCH limit=50;text=x"]
    found = feed(
        bob,
        ":srv BATCH +1 soju.im/search",
        "@batch=1;msgid=a :alice!u@h PRIVMSG #lounge :hello world",
        ":srv BATCH -1",
    )
    assert found[0] == Notice("1 message found")
    assert len(found) == 2
    assert feed(bob, "@msgid=a :alice!u@h PRIVMSG #lounge :hello world") != []
    bob.type("/search y")
    (none,) = feed(bob, ":srv BATCH +1 soju.im/search", ":srv BATCH -1")
    assert none == Notice("0 messages found in #lounge; in=* searches all")


def test_otherwise_the_lines_shown_are_searched() -> None:
    assert welcome().type("/search x") == [ScreenRequest(ScreenAction.FIND, "x")]
    assert welcome().type("/lastlog x") == [ScreenRequest(ScreenAction.FIND, "x")]


def test_earlier_messages_are_requested_before_the_oldest() -> None:
    bob = welcome(CAPS)
    assert lines(bob.type("/history 5")) == ["CHATHISTORY LATEST #lounge * 5"]
    current = bob.state.conversations.current
    current.note_message("2030-01-01T10:00:00.000Z", is_mention=False, is_seen=True)
    asked = ["CHATHISTORY BEFORE #lounge timestamp=2030-01-01T10:00:00.000Z 100"]
    assert lines(bob.type("/history")) == asked
    assert lines(bob.ask_earlier()) == asked
    assert bob.ask_earlier() == [], "once"
    assert feed(bob, ":srv BATCH +1 chathistory #lounge", ":srv BATCH -1") == [
        Notice("there are no earlier messages", "#lounge")
    ]
    assert isinstance(bob.type("/history x")[0], Refused)


def test_a_channel_that_was_left_shows_its_history_again() -> None:
    bob = welcome(CAPS)
    time = "@time=2030-01-01T10:00:00.000Z"
    feed(bob, f"{time} :alice!u@h PRIVMSG #lounge :hi", ":bob!u@h PART #lounge")
    asked = ["CHATHISTORY LATEST #lounge * 50"]
    assert lines(feed(bob, f"{time} :bob!u@h JOIN #lounge")) == asked
    bob.type("/join #lounge")
    assert lines(bob.ask_earlier()) == ["CHATHISTORY LATEST #lounge * 100"]
    assert bob.ask_earlier() == [], "once"


def test_waiting_lines_can_be_dropped() -> None:
    bob = welcome(burst=1)
    for text in ("one", "two", "three"):
        bob.type(text)
    bob.due(0)
    assert bob.type("/cancel") == [Notice("2 lines will not be sent")]
    assert bob.due(100) == []


def test_the_names_of_many_are_counted_and_listed_on_request() -> None:
    bob = welcome()
    feed(bob, ":srv 353 bob = #lounge :@bob +voiced")
    feed(bob, *(f":srv 353 bob = #lounge :n{number}" for number in range(150)))
    (counted,) = feed(bob, ":srv 366 bob #lounge :End")
    assert counted == Notice("153 here, 2 operators; /names lists them", "#lounge")
    bob.type("/names")
    first, second = feed(bob, ":srv 366 bob #lounge :End")
    assert isinstance(first, Notice)
    assert first.text.startswith("153 here: @alice, @bob, +voiced, n0, n1, n10")
    assert isinstance(second, Notice)


def test_changes_of_modes_are_seen_in_the_names() -> None:
    bob = welcome()
    feed(bob, ":alice!u@h MODE #lounge +ov-o bob bob alice", ":alice!u@h MODE #lounge +k-v key bob")
    channel = bob.state.roster.get("#lounge")
    assert channel is not None
    assert channel.members_by_rank("@+") == ["@bob", "alice"]
    feed(bob, ":bob!u@h NICK rob")
    assert channel.prefix("rob") == "@"


def test_help_explains_a_command_its_other_names_and_the_keys() -> None:
    bob = welcome()
    head, details, names = bob.type("/help query")
    assert isinstance(head, Notice)
    assert head.text.startswith("/query [NICK] [TEXT]")
    assert details == Notice("Without NICK, the current private conversation is closed.")
    assert names == Notice("Also: /q")
    assert len(bob.type("/help keys")) > 10


def test_labels_tell_apart_the_lines_of_two_devices() -> None:
    bob = welcome("echo-message labeled-response")
    bob.type("from here")
    assert lines(bob.due(0)) == ["@label=netd-chat-1 PRIVMSG #lounge :from here"]
    elsewhere = feed(bob, ":bob!u@h PRIVMSG #lounge :from there")
    assert elsewhere == [ChatMessage("bob", "#lounge", "from there", mine=True)]
    assert len(bob.state.outbox) == 1
    feed(bob, "@label=netd-chat-1 :bob!u@h PRIVMSG #lounge :from here")
    assert len(bob.state.outbox) == 0
    bob.type("refused")
    bob.due(1)
    assert len(events(feed(bob, "@label=netd-chat-2 :srv 404 bob #lounge :No"))) == 1
    assert len(bob.state.outbox) == 0

from __future__ import annotations

import datetime as dt

from netd.client.core.chat_events import ChatEvent, Disconnected
from netd.client.core.conversations import MAX_REMEMBERED_IDS
from netd.client.core.desk import Desk
from netd.client.core.irc_client import IrcClient
from netd.client.core.styled_text import plain_text
from netd.client.core.word_wrap import columns
from tests.client.core.feeding import feed, welcome
from tests.client.core.feeding import lines as sent

NOW = dt.datetime(2030, 1, 1, 12, 0, tzinfo=dt.UTC)
CAPS = "batch draft/chathistory draft/read-marker echo-message message-tags server-time"


class Screen:
    """A client whose events are put on a desk."""

    def __init__(self, caps: str = CAPS) -> None:
        self.is_present = True
        self.is_ready = False
        self.bob: IrcClient = welcome(caps, self.record)
        self.desk = Desk(self.bob.state, columns)
        self.is_ready = True  # the welcome is not on the desk

    def feed(self, *received: str) -> None:
        feed(self.bob, *received)

    def record(self, event: ChatEvent) -> None:
        if self.is_ready:
            self.desk.follow()
            self.desk.record(event, NOW, is_present=self.is_present)

    def lines(self, name: str) -> list[str]:
        conversation = self.bob.state.conversations.get(name)
        assert conversation is not None
        return [plain_text(line.spans)[6:] for line in self.desk.of(conversation).lines]

    def unread(self) -> dict[str, int]:
        return {c.name: c.unread for c in self.bob.state.conversations if c.unread}


def test_a_private_message_has_a_conversation_of_its_own() -> None:
    screen = Screen()
    screen.feed(":alice!u@h PRIVMSG bob :psst", ":alice!u@h PRIVMSG #lounge :hi")
    assert screen.lines("alice") == ["<alice> psst"]
    assert screen.lines("#lounge") == ["<alice> hi"]
    assert screen.unread() == {"alice": 1}
    assert screen.bob.state.current == "#lounge"


def test_own_lines_of_another_device_appear_as_own() -> None:
    screen = Screen(f"{CAPS} labeled-response")
    screen.feed(":bob!u@h PRIVMSG alice :from my phone")
    assert screen.lines("alice") == ["<bob> from my phone"]
    assert screen.unread() == {}


def test_what_arrives_while_the_user_is_away_is_unread() -> None:
    screen = Screen()
    screen.feed(":alice!u@h PRIVMSG #lounge :seen")
    screen.is_present = False
    screen.feed(":alice!u@h PRIVMSG #lounge :one", ":alice!u@h PRIVMSG #lounge :two")
    assert screen.unread() == {"#lounge": 2}
    assert screen.desk.current.unread == 2
    screen.bob.type("/win 1")
    screen.desk.follow()
    screen.bob.type("/win 2")
    screen.desk.follow()
    assert screen.desk.current.unread is None, "the unread line is gone on return"


def test_history_is_put_before_what_was_shown_and_counts_by_the_mark() -> None:
    screen = Screen()
    screen.feed(":srv MARKREAD #lounge timestamp=2029-12-31T09:10:00.000Z")
    screen.record(Disconnected("x"))
    screen.feed(
        ":srv BATCH +1 chathistory #lounge",
        "@batch=1;msgid=a;time=2029-12-31T09:00:00.000Z :alice!u@h PRIVMSG #lounge :old",
        "@batch=1;msgid=b;time=2029-12-31T09:30:00.000Z :alice!u@h PRIVMSG #lounge :newer",
        ":srv BATCH -1",
    )
    assert screen.lines("#lounge") == ["<alice> old", "<alice> newer", "!! x"]
    assert screen.unread() == {"#lounge": 1}
    assert screen.desk.current.unread == 2


def test_lines_of_the_same_millisecond_are_in_the_order_of_the_server() -> None:
    """After a reconnect one of them arrives before the history of all."""
    screen, time = Screen(), "time=2029-12-31T09:00:00.000Z"
    said = [
        f"@batch=1;msgid={word};{time} :alice!u@h PRIVMSG #lounge :{word}"
        for word in ("one", "two", "three", "four")
    ]
    screen.feed(said[0].replace("batch=1;", ""), said[2].replace("batch=1;", ""))
    screen.feed(":srv BATCH +1 chathistory #lounge", *said, ":srv BATCH -1")
    assert screen.lines("#lounge") == [f"<alice> {w}" for w in ("one", "two", "three", "four")]
    conversation = screen.bob.state.conversations.current
    assert [r.id for r in conversation.references] == ["one", "two", "three", "four"]


def test_two_pages_of_the_same_millisecond_are_in_their_order() -> None:
    screen = Screen()
    for page in (("one", "two"), ("three", "four")):
        screen.feed(":srv BATCH +1 chathistory #lounge")
        for word in page:
            tags = f"@batch=1;msgid={word};time=2029-12-31T09:00:00.000Z"
            screen.feed(f"{tags} :alice!u@h PRIVMSG #lounge :{word}")
        screen.feed(":srv BATCH -1")
    assert screen.lines("#lounge") == [f"<alice> {w}" for w in ("one", "two", "three", "four")]


def test_earlier_lines_of_the_first_millisecond_are_found_and_none_is_shown_twice() -> None:
    screen, time = Screen(), "time=2029-12-31T09:00:00.000Z"
    screen.feed(f"@msgid=b;{time} :alice!u@h PRIVMSG #lounge :second")
    for number in range(MAX_REMEMBERED_IDS):
        screen.feed(f"@msgid=n{number};time=2030-01-01T00:00:00.000Z :a!u@h PRIVMSG #lounge :n")
    asked = "CHATHISTORY BEFORE #lounge timestamp=2029-12-31T09:00:00.001Z 2"
    assert sent(screen.bob.type("/history 1")) == [asked]
    screen.feed(
        ":srv BATCH +1 chathistory #lounge",
        f"@batch=1;msgid=a;{time} :alice!u@h PRIVMSG #lounge :first",
        f"@batch=1;msgid=b;{time} :alice!u@h PRIVMSG #lounge :second",
        ":srv BATCH -1",
    )
    assert screen.lines("#lounge")[:3] == ["<alice> first", "<alice> second", "<a> n"]


def test_scrolling_far_up_makes_no_new_line_appear_twice() -> None:
    screen = Screen()
    newest = "msgid=z;time=2030-01-01T09:00:00.000Z :alice!u@h PRIVMSG #lounge :hi"
    screen.feed(f"@{newest}")
    for page in range(MAX_REMEMBERED_IDS // 100 + 1):
        screen.feed(":srv BATCH +1 chathistory #lounge")
        for number in range(100):
            tags = f"@batch=1;msgid=p{page}n{number};time=2029-01-01T00:00:00.000Z"
            screen.feed(f"{tags} :a!u@h PRIVMSG #lounge :n")
        screen.feed(":srv BATCH -1")
    screen.feed(":srv BATCH +1 chathistory #lounge", f"@batch=1;{newest}", ":srv BATCH -1")
    assert screen.lines("#lounge").count("<alice> hi") == 1


def test_what_is_said_elsewhere_does_not_make_a_line_appear_twice() -> None:
    screen = Screen()
    seen = "msgid=a;time=2030-01-01T09:00:00.000Z :alice!u@h PRIVMSG #lounge :hi"
    screen.feed(f"@{seen}", ":bob!u@h JOIN #dev")
    for number in range(MAX_REMEMBERED_IDS + 1):
        screen.feed(f"@msgid=n{number};time=2030-01-01T09:01:00.000Z :a!u@h PRIVMSG #dev :n")
    screen.feed(":srv BATCH +1 chathistory #lounge", f"@batch=1;{seen}", ":srv BATCH -1")
    assert screen.lines("#lounge") == ["<alice> hi"]


def test_a_conversation_that_is_opened_again_shows_its_history_again() -> None:
    screen = Screen()
    seen = "msgid=a;time=2030-01-01T09:00:00.000Z :alice!u@h PRIVMSG bob :hi"
    screen.feed(f"@{seen}")
    screen.bob.type("/close alice")
    screen.desk.follow()
    screen.bob.type("/query alice")
    screen.feed(":srv BATCH +1 chathistory alice", f"@batch=1;{seen}", ":srv BATCH -1")
    assert screen.lines("alice") == ["<alice> hi"]


def test_crowds_share_a_line() -> None:
    screen = Screen()
    screen.feed(*[f":n{number}!u@h JOIN #lounge" for number in range(30)])
    screen.feed(*[f":n{number}!u@h QUIT :netsplit" for number in range(30)])
    (line,) = screen.lines("#lounge")
    assert line == (
        "-- n0, n1, n2, n3 and 26 others have joined; n0, n1, n2, n3 and 26 others have quit"
    )


def test_quits_and_new_nicks_are_shown_where_the_user_is_known() -> None:
    screen = Screen()
    screen.feed(":alice!u@h PRIVMSG bob :psst", ":bob!u@h JOIN #dev", ":alice!u@h NICK al")
    screen.feed(":al!u@h QUIT :bye")
    assert screen.lines("al")[1:] == ["-- alice is now al; al has quit (bye)"]
    assert screen.lines("#lounge") == ["-- alice is now al; al has quit (bye)"]
    assert screen.lines("#dev") == []


def test_answers_quote_and_reactions_are_at_their_message() -> None:
    screen = Screen()
    screen.feed(
        "@msgid=a :alice!u@h PRIVMSG #lounge :shall we?",
        "@+draft/reply=a :carol!u@h PRIVMSG #lounge :yes",
        "@+draft/reply=zzz :carol!u@h PRIVMSG #lounge :what",
        "@+draft/reply=a;+draft/react=+1 :carol!u@h TAGMSG #lounge",
    )
    assert screen.lines("#lounge") == [
        "<alice> shall we?",
        "<carol> (re alice: shall we?) yes",
        "<carol> (re an earlier message) what",
    ]
    assert screen.desk.current.lines[0].reactions == {"+1": {"carol"}}
    screen.feed("@+draft/reply=a;+draft/unreact=+1 :carol!u@h TAGMSG #lounge")
    assert screen.desk.current.lines[0].reactions == {"+1": set()}


def test_a_deleted_message_is_no_longer_shown() -> None:
    screen = Screen()
    screen.feed(
        "@msgid=a :alice!u@h PRIVMSG #lounge :oops",
        "@msgid=b :carol!u@h PRIVMSG #lounge :spam",
        ":alice!u@h REDACT #lounge a",
        ":alice!u@h REDACT #lounge b :no spam",
    )
    assert screen.lines("#lounge") == [
        "-- alice deleted this message",
        "-- deleted by alice: no spam",
    ]


def test_attempts_to_connect_share_a_line() -> None:
    screen = Screen()
    screen.record(Disconnected("one"))
    screen.record(Disconnected("two"))
    assert screen.lines("#lounge") == ["!! two"]


def test_a_closed_conversation_is_forgotten() -> None:
    screen = Screen()
    screen.feed(":alice!u@h PRIVMSG bob :psst")
    screen.bob.type("/close alice")
    screen.desk.follow()
    screen.feed(":alice!u@h PRIVMSG bob :again")
    assert screen.lines("alice") == ["<alice> again"]


def test_a_password_for_a_service_is_not_shown() -> None:
    screen = Screen()
    screen.feed(":bob!u@h PRIVMSG NickServ :identify hunter2")
    assert screen.lines("NickServ") == ["<bob> identify ****"]


def test_what_was_said_under_an_earlier_nick_is_in_the_same_conversation() -> None:
    screen = Screen()
    screen.feed(
        ":srv BATCH +1 chathistory alice",
        "@batch=1;msgid=a;time=2029-12-31T09:00:00.000Z :robert!u@h PRIVMSG alice :are you there?",
        "@batch=1;msgid=b;time=2029-12-31T09:30:00.000Z :alice!u@h PRIVMSG robert :yes",
        ":srv BATCH -1",
    )
    assert screen.lines("alice") == ["<robert> are you there?", "<alice> yes"]
    assert screen.bob.state.conversations.get("robert") is None
    assert screen.unread() == {"alice": 1}


def test_what_a_search_has_shown_is_not_found_again() -> None:
    screen = Screen()
    screen.feed(":alice!u@h PRIVMSG #lounge :a needle")
    assert len(screen.desk.current.find("Needle")) == 1
    screen.desk.note("1 line with 'needle'", NOW)
    assert len(screen.desk.current.find("needle")) == 1


def test_reactions_of_a_history_are_at_their_messages_and_its_joins_are_ignored() -> None:
    screen = Screen(f"{CAPS} draft/event-playback")
    screen.feed(
        ":srv BATCH +1 chathistory #lounge",
        "@batch=1;msgid=j;time=2029-12-31T08:00:00.000Z :ghost!u@h JOIN #lounge",
        "@batch=1;msgid=a;time=2029-12-31T09:00:00.000Z :alice!u@h PRIVMSG #lounge :shall we?",
        "@batch=1;msgid=r;time=2029-12-31T09:01:00.000Z;+draft/reply=a;+draft/react=+1 "
        ":carol!u@h TAGMSG #lounge",
        "@batch=1;msgid=q;time=2029-12-31T09:02:00.000Z :alice!u@h QUIT :gone",
        ":srv BATCH -1",
    )
    assert screen.lines("#lounge") == ["<alice> shall we?"]
    assert screen.desk.current.lines[0].reactions == {"+1": {"carol"}}
    channel = screen.bob.state.roster.get("#lounge")
    assert channel is not None
    assert "ghost" not in channel
    assert "alice" in channel


def test_the_refusal_of_a_command_is_shown_where_it_was_typed() -> None:
    screen = Screen()
    screen.feed(":alice!u@h PRIVMSG bob :psst", ":srv 401 bob alice :No such nick")
    assert screen.lines("#lounge") == ["!! alice: No such nick"]
    screen.feed(":bob!u@h JOIN #dev", ":srv 482 bob #dev :You are no operator")
    assert screen.lines("#dev")[-1:] == ["!! #dev: You are no operator"]

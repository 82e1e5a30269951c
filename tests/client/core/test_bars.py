from __future__ import annotations

from netd.client.core import bars
from netd.client.core.styled_text import plain_text
from netd.client.core.word_wrap import columns
from tests.client.core.feeding import feed, welcome


def test_the_title_has_the_topic_and_the_number_of_members() -> None:
    bob = welcome()
    feed(bob, ":alice!u@h TOPIC #lounge :be \x1b[2Jkind")
    assert plain_text(bars.title(bob.state, "host")) == " #lounge 2  be ␛[2Jkind"
    bob.type("/query alice")
    assert plain_text(bars.title(bob.state, "host")) == " alice  private conversation"
    bob.type("/win 1")
    assert plain_text(bars.title(bob.state, "host")) == " host"


def test_the_status_has_the_unread_conversations_shorter_on_a_narrow_screen() -> None:
    bob = welcome()
    conversations = bob.state.conversations
    for name, is_mention in (("alice", True), ("#dev", False), ("#dev", True)):
        conversations.note_message(
            conversations.open(name), "", is_mention=is_mention, is_seen=False
        )
    wide = plain_text(bars.status(bob.state, "12:30", 0, 80, columns))
    assert wide == " 12:30 bob  2:#lounge  |  3:alice 1  4:#dev 2/1"
    narrow = plain_text(bars.status(bob.state, "12:30", 0, 40, columns))
    assert narrow == " 12:30 bob  2:#lounge  | 3(1) 4(2)/1"
    narrowest = plain_text(bars.status(bob.state, "12:30", 0, 33, columns))
    assert narrowest == " 12:30 bob  2:#lounge  | 3(1) +1"
    feed(bob, ":srv 306 bob :You are away")
    assert "bob (away)  2:#lounge" in plain_text(bars.status(bob.state, "12:30", 0, 80, columns))
    feed(bob, ":srv 305 bob :You are back")
    assert "bob  2:#lounge" in plain_text(bars.status(bob.state, "12:30", 0, 80, columns))
    bob.disconnected()
    offline = plain_text(bars.status(bob.state, "12:30", 7, 80, columns))
    assert offline.startswith(" 12:30 bob (offline)  2:#lounge  7 more below")


def test_waiting_lines_are_shown_with_their_number() -> None:
    bob = welcome(burst=1, lines_per_s=2.0)
    assert bars.waiting(bob.state, 40) == []
    for text in ("one", "two", "three", "four", "five"):
        bob.type(text)
    bob.due(0)
    assert [plain_text(row) for row in bars.waiting(bob.state, 80)] == [
        "-- 4 lines to send, 2 s; /cancel drops them",
        "   #lounge: two",
        "   #lounge: three",
    ]


def test_hostile_names_are_cut_and_made_visible() -> None:
    bob = welcome()
    bob.type("/query " + "x\u202e" * 200)
    assert len(bars.prompt(bob.state)) < 50
    assert "\u202e" not in bars.prompt(bob.state)

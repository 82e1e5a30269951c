from __future__ import annotations

import pytest

from netd.client.core import conversations
from netd.client.core.client_state import is_channel
from netd.client.core.conversations import ConversationKind, Conversations


def opened(*names: str) -> Conversations:
    found = Conversations(str.lower, is_channel)
    for name in names:
        found.open(name)
    return found


def test_the_server_is_number_one_and_the_others_follow() -> None:
    some = opened("#a", "al")
    assert [(some.number(c), c.name, c.kind) for c in some] == [
        (1, "", ConversationKind.SERVER),
        (2, "#a", ConversationKind.CHANNEL),
        (3, "al", ConversationKind.PRIVATE),
    ]
    assert some.at(3) is some.get("AL")
    assert some.at(4) is None


def test_steps_go_around_the_end() -> None:
    some = opened("#a", "#b")
    assert some.step(-1).name == "#b"
    some.switch("#b")
    assert some.step(1) is some.server


def test_a_closed_conversation_gives_way_to_the_one_before() -> None:
    some = opened("#a", "#b", "#c")
    some.switch("#a")
    some.switch("#c")
    assert some.close("#C")
    assert some.current.name == "#a"
    assert not some.close("#c")
    assert not some.close(""), "the server stays"


@pytest.mark.parametrize(
    ("words", "name"),
    [("2", "#lounge"), ("#LOUNGE", "#lounge"), ("loun", "#lounge"), ("al", "al"), ("server", "")],
)
def test_a_conversation_is_found_by_number_name_or_part(words: str, name: str) -> None:
    found = opened("#lounge", "alice", "al").find(words)
    assert found is not None
    assert found.name == name


def test_unknown_words_find_nothing() -> None:
    some = opened("#a")
    assert [some.find(words) for words in ("9", "x", "", "0", "²")] == [None] * 5


def test_a_renamed_user_keeps_the_conversation() -> None:
    some = opened("al", "bo")
    some.rename("al", "ally")
    some.rename("bo", "ally")
    assert [c.name for c in some] == ["", "ally", "bo"]
    some.rename("ally", "Ally")
    assert some.at(2) is some.get("ALLY")


def test_mentions_are_read_first_then_what_has_waited_longest() -> None:
    some = opened("#a", "#b", "#c")
    for name, is_mention in (("#b", False), ("#a", False), ("#c", True)):
        some.note_message(some.open(name), "", is_mention=is_mention, is_seen=False)
    order = []
    while (found := some.next_unread()) is not None:
        order.append(found.name)
        some.switch(found.name).see()
    assert order == ["#c", "#b", "#a"]


def test_a_mark_of_another_device_reads_messages_here() -> None:
    channel = opened("#a").open("#a")
    for second in range(3):
        time = f"2030-01-01T10:00:0{second}.000Z"
        assert channel.note_message(time, is_mention=second == 2, is_seen=False)
    channel.mark_read("2030-01-01T10:00:01.000Z")
    assert (channel.unread, channel.mentions) == (1, 1)
    channel.mark_read("2030-01-01T09:00:00.000Z")
    assert channel.unread == 1, "a mark never moves back"
    assert not channel.note_message("2030-01-01T10:00:00.000Z", is_mention=True, is_seen=False)


def test_what_other_users_can_open_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MAX_CONVERSATIONS", 3)
    some = opened("a", "b")
    assert some.open("c") is some.server
    assert some.open("A").name == "a"

from __future__ import annotations

import pytest

from netd.client.core.chat_events import ChangeKind, ChatEvent, MembershipChange, Notice
from netd.client.core.crowds import Crowd, fold


def joined(nick: str, channel: str = "#c") -> MembershipChange:
    return MembershipChange(ChangeKind.JOINED, nick, channel)


def quit_of(nick: str, reason: str = "") -> MembershipChange:
    return MembershipChange(ChangeKind.QUIT, nick, detail=reason)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ([joined("al")], "al has joined"),
        ([quit_of("al", "bye")], "al has quit (bye)"),
        ([joined("al"), joined("bo")], "al and bo have joined"),
        ([joined("al"), quit_of("al"), joined("al")], "al has joined; al has quit"),
        ([joined(n) for n in "abcde"], "a, b, c, d and e have joined"),
        ([quit_of(str(n)) for n in range(30)], "0, 1, 2, 3 and 26 others have quit"),
        ([MembershipChange(ChangeKind.RENAMED, "al", detail="bo")], "al is now bo"),
        (
            [MembershipChange(ChangeKind.RENAMED, f"a{n}", detail=f"b{n}") for n in range(7)],
            ", ".join(f"a{n} is now b{n}" for n in range(5)) + ", 2 other names changed",
        ),
    ],
)
def test_the_words_for_many_changes(changes: list[MembershipChange], text: str) -> None:
    assert Crowd(changes).text() == text


def test_a_run_of_changes_is_folded_and_others_are_not() -> None:
    notice: ChatEvent = Notice("x")
    run = [joined(n) for n in "abc"]
    other = [joined("d", "#d"), quit_of("a")]
    kick = MembershipChange(ChangeKind.KICKED, "b", "#c")
    assert list(fold([*run, notice, *other, kick])) == [run, notice, *other, kick]

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from netd.client.core.history_order import HistoryOrder


@dataclass(frozen=True)
class Said:
    """A message, or a note if it has no sender."""

    id: str
    time: int
    sender: str = "alice"


def merge(shown: list[Said], history: list[Said], page_before: Sequence[Said] = ()) -> None:
    """Insert the messages of a history that are not shown yet."""
    order = HistoryOrder(shown, [said.id for said in (*page_before, *history)])
    for said in history:
        if not said.id or said not in shown:
            shown.insert(order.place(shown, said), said)


def log_of(*times: int) -> list[Said]:
    return [Said(f"m{number}", time) for number, time in enumerate(sorted(times))]


@given(st.data())
def test_the_order_is_that_of_the_server_whatever_the_times(data: st.DataObject) -> None:
    """A reader has seen some, misses some, sees some live, and gets what is between in pages."""
    times = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=20))
    log = log_of(*times)
    cuts = st.integers(0, len(log))
    first, lost, back = sorted(data.draw(st.tuples(cuts, cuts, cuts)))
    shown = [*log[first:lost], *log[back:]]
    page = data.draw(st.integers(1, 6))
    seen_until = log[lost - 1].time if lost > first else log[0].time
    asked = data.draw(st.integers(0, [said.time for said in log].index(seen_until)))
    for start in range(asked, len(log), page):
        merge(shown, log[start : start + page], log[max(0, start - page) : start])
    first = min(first, asked)
    assert shown == log[first:]
    for end in range(first, 0, -page):  # the user scrolls up
        merge(shown, log[max(0, end - page) : end])
    assert shown == log


def test_a_line_of_the_same_moment_that_is_not_in_the_history_was_said_later() -> None:
    missed, seen, live = log_of(1, 1, 1)
    shown = [live]
    merge(shown, [missed, seen])
    assert shown == [missed, seen, live]


def test_messages_without_ids_keep_the_order_of_their_history() -> None:
    shown = [Said("", 1, "before"), Said("", 3, "live")]
    merge(shown, [Said("", 2, "one"), Said("", 2, "two"), Said("", 2, "three")])
    assert [said.sender for said in shown] == ["before", "one", "two", "three", "live"]


def test_the_time_of_notes_does_not_decide_between_messages() -> None:
    """The clock of this machine is slow: its notes seem to be earlier than the messages."""
    old, *shown = [Said("a", 50), Said("b", 60), Said("", 10, ""), Said("c", 61)]
    merge(shown, [old])
    assert [said.id for said in shown] == ["a", "b", "", "c"]
    missed = Said("d", 62)
    shown.append(Said("", 12, ""))
    merge(shown, [shown[-2], missed])
    assert shown[-1] == missed


def test_a_note_stands_where_it_was_made() -> None:
    shown = [Said("a", 10), Said("", 20, ""), Said("b", 40)]
    merge(shown, [Said("x", 15), Said("y", 30)])
    assert [said.id for said in shown] == ["a", "x", "", "y", "b"]


def test_lines_that_were_forgotten_meanwhile_are_no_reference() -> None:
    first, second, third = log_of(1, 2, 3)
    shown = [first, third]
    order = HistoryOrder(shown, ["m0", "m1", "m2"])
    shown.clear()
    assert order.place(shown, second) == 0

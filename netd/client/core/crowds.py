"""Many membership changes in one line: the quits of thirty users are not thirty lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from netd.client.core.chat_events import ChangeKind, ChatEvent, MembershipChange

MIN_CROWD: Final = 3  # changes in a row; fewer are shown one by one
_MAX_NAMED: Final = 5
_FOLDED: Final = frozenset(
    {ChangeKind.JOINED, ChangeKind.LEFT, ChangeKind.QUIT, ChangeKind.RENAMED}
)
_VERBS: Final = {
    ChangeKind.JOINED: ("has joined", "have joined"),
    ChangeKind.LEFT: ("has left", "have left"),
    ChangeKind.QUIT: ("has quit", "have quit"),
}


def can_fold(event: ChatEvent) -> bool:
    """Whether an event can share a line with others; a kick has a line of its own."""
    return isinstance(event, MembershipChange) and event.kind in _FOLDED


class Crowd:
    """Changes of one channel in a row."""

    def __init__(self, changes: Iterable[MembershipChange] = ()) -> None:
        self._changes: dict[ChangeKind, dict[str, MembershipChange]] = {}
        for change in changes:
            self.add(change)

    def add(self, change: MembershipChange) -> None:
        """Add a change; a user that comes after leaving, or the reverse, is named for both."""
        self._changes.setdefault(change.kind, {})[change.nick] = change

    def text(self, place: str = "") -> str:
        """Return the words for all changes; `place` names the channel, with a space before it."""
        return "; ".join(self._parts(place))

    def _parts(self, place: str) -> Iterator[str]:
        for kind, by_nick in self._changes.items():
            first = list(islice(by_nick.values(), _MAX_NAMED))
            yield (_renamed if kind is ChangeKind.RENAMED else _one_kind)(
                first, len(by_nick), place
            )


def _one_kind(first: list[MembershipChange], count: int, place: str) -> str:
    one, many = _VERBS[first[0].kind]
    where = "" if first[0].kind is ChangeKind.QUIT else place
    if count == 1:
        reason = f" ({first[0].detail})" if first[0].detail else ""
        return f"{first[0].nick} {one}{where}{reason}"
    return f"{_names([change.nick for change in first], count)} {many}{where}"


def _renamed(first: list[MembershipChange], count: int, _place: str) -> str:
    pairs = [f"{change.nick} is now {change.detail}" for change in first]
    more = count - len(pairs)
    return ", ".join([*pairs, *([f"{more} other names changed"] if more else [])])


def _names(first: list[str], count: int) -> str:
    if count > _MAX_NAMED:
        shown = first[: _MAX_NAMED - 1]
        return f"{', '.join(shown)} and {count - len(shown)} others"
    return f"{', '.join(first[:-1])} and {first[-1]}"


def fold(events: Iterable[ChatEvent]) -> Iterator[ChatEvent | list[MembershipChange]]:
    """Yield the events, with many membership changes of one channel in a row as a list."""
    run: list[MembershipChange] = []
    for event in events:
        if isinstance(event, MembershipChange) and can_fold(event):
            if run and event.channel != run[0].channel:
                yield from _ended(run)
                run = []
            run.append(event)
            continue
        yield from _ended(run)
        run = []
        yield event
    yield from _ended(run)


def _ended(run: list[MembershipChange]) -> Iterator[ChatEvent | list[MembershipChange]]:
    if len(run) >= MIN_CROWD:
        yield run
    else:
        yield from run

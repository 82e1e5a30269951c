"""Many membership changes in one line: thirty users who quit are not thirty lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    ChangeKind.QUIT: ("has gone", "have gone"),
}


def can_fold(event: ChatEvent) -> bool:
    """Whether an event can share a line with others; a kick has a line of its own."""
    return isinstance(event, MembershipChange) and event.kind in _FOLDED


class Crowd:
    """Changes of one channel in a row."""

    def __init__(self, changes: Iterable[MembershipChange] = ()) -> None:
        self._changes: dict[tuple[ChangeKind, str], MembershipChange] = {}
        for change in changes:
            self.add(change)

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, change: MembershipChange) -> None:
        """Add a change; a user that comes after leaving, or the reverse, is named for both."""
        self._changes[change.kind, change.nick] = change

    def text(self, place: str = "") -> str:
        """Return the words for all changes; `place` names the channel, with a space before it."""
        return "; ".join(self._parts(place))

    def _parts(self, place: str) -> Iterator[str]:
        kinds = dict.fromkeys(kind for kind, _ in self._changes)
        for kind in kinds:
            changes = [change for change in self._changes.values() if change.kind is kind]
            yield _renamed(changes) if kind is ChangeKind.RENAMED else _one_kind(changes, place)


def _one_kind(changes: list[MembershipChange], place: str) -> str:
    one, many = _VERBS[changes[0].kind]
    where = "" if changes[0].kind is ChangeKind.QUIT else place
    if len(changes) == 1:
        reason = f" ({changes[0].detail})" if changes[0].detail else ""
        return f"{changes[0].nick} {one}{where}{reason}"
    return f"{_names([change.nick for change in changes])} {many}{where}"


def _renamed(changes: list[MembershipChange]) -> str:
    pairs = [f"{change.nick} is now {change.detail}" for change in changes[:_MAX_NAMED]]
    more = len(changes) - len(pairs)
    return ", ".join([*pairs, *([f"{more} other names changed"] if more else [])])


def _names(nicks: list[str]) -> str:
    if len(nicks) > _MAX_NAMED:
        shown = nicks[: _MAX_NAMED - 1]
        return f"{', '.join(shown)} and {len(nicks) - len(shown)} others"
    return f"{', '.join(nicks[:-1])} and {nicks[-1]}"


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

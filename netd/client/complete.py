"""What the tab key offers: commands, channels, nicks with the last speaker first; pure."""

from __future__ import annotations

from netd.client.state import State
from netd.client.typed import COMMANDS


class TabCycle:
    """Pressing tab again offers the next; typing anything else starts anew."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._head = ""
        self._offers: list[str] = []
        self._index = 0

    def press(self, before_cursor: str, step: int = 1) -> str:
        """What stands before the cursor after the key; `step` is -1 for shift-tab."""
        if len(self._offers) > 1 and before_cursor == self._head + self._offers[self._index]:
            self._index = (self._index + step) % len(self._offers)
        else:
            word, self._offers = complete(self._state, before_cursor)
            self._head = before_cursor.removesuffix(word)
            self._index = 0 if step > 0 else -1 % max(1, len(self._offers))
        return self._head + self._offers[self._index] if self._offers else before_cursor


def complete(state: State, before_cursor: str) -> tuple[str, list[str]]:
    """The word being typed, and what could stand in its place, the likeliest first."""
    head, _, word = before_cursor.rpartition(" ")
    if word.startswith("/") and not head:
        return word, [f"/{name} " for name in COMMANDS if name.startswith(word[1:].lower())]
    if word.startswith(("#", "&")):
        names = [channel.name for channel in state.roster]
        return word, [f"{name} " for name in names if state.fold(name).startswith(state.fold(word))]
    ending = " " if head else ": "
    return word, [
        nick + ending for nick in _nicks(state) if state.fold(nick).startswith(state.fold(word))
    ]


def _nicks(state: State) -> list[str]:
    here = state.roster.get(state.current)
    channels = [here] if here else list(state.roster)
    nicks = [nick for channel in channels for nick in channel.by_last_spoken()]
    return [nick for nick in dict.fromkeys(nicks) if not state.is_me(nick)]

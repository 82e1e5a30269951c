"""Completions for the tab key: slash commands, channels, and nicks with the last speaker first."""

from __future__ import annotations

from netd.client.core.client_state import ClientState
from netd.client.core.slash_commands import COMMANDS


class TabCycle:
    """Steps through the completions on repeated presses; other typing starts again."""

    def __init__(self, state: ClientState) -> None:
        self._state = state
        self._head = ""
        self._completions: list[str] = []
        self._index = 0

    def press(self, before_cursor: str, step: int = 1) -> str:
        """Return the new text before the cursor; `step` is -1 for Shift-Tab."""
        if self._is_repeated(before_cursor):
            self._index = (self._index + step) % len(self._completions)
        else:
            word, self._completions = complete(self._state, before_cursor)
            self._head = before_cursor.removesuffix(word)
            self._index = 0 if step > 0 else -1 % max(1, len(self._completions))
        return self._head + self._completions[self._index] if self._completions else before_cursor

    def _is_repeated(self, before_cursor: str) -> bool:
        if len(self._completions) <= 1:
            return False
        return before_cursor == self._head + self._completions[self._index]


def complete(state: ClientState, before_cursor: str) -> tuple[str, list[str]]:
    """Return the word being typed and its completions, the most likely first."""
    head, _, word = before_cursor.rpartition(" ")
    if word.startswith("/") and not head:
        return word, [f"/{name} " for name in COMMANDS if name.startswith(word[1:].lower())]
    if word.startswith(("#", "&")):
        names, ending = [channel.name for channel in state.roster], " "
    else:
        names, ending = _nicks(state), " " if head else ": "
    prefix = state.fold(word)
    return word, [name + ending for name in names if state.fold(name).startswith(prefix)]


def _nicks(state: ClientState) -> list[str]:
    current = state.roster.get(state.current)
    channels = [current] if current else list(state.roster)
    nicks = [nick for channel in channels for nick in channel.members_by_last_message()]
    return [nick for nick in dict.fromkeys(nicks) if not state.is_me(nick)]

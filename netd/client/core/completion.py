"""Completions for the tab key: commands, their arguments, channels, and nicks.

Nicks are offered with the last speaker first.
"""

from __future__ import annotations

from collections.abc import Iterable

from netd.client.core import slash_commands
from netd.client.core.client_state import ClientState
from netd.client.core.commands.base import Argument
from netd.client.core.commands.talking import REACTIONS


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
        typed = word[1:].lower()
        return word, [f"/{name} " for name in slash_commands.COMMANDS if name.startswith(typed)]
    if word.startswith(("#", "&")):
        return word, _matching(state, word, _channels(state), " ")
    argument = _argument(head)
    if argument is not None:
        return word, _matching(state, word, _candidates(state, argument), " ")
    return word, _matching(state, word, _nicks(state), " " if head else ": ")


def _argument(head: str) -> Argument | None:
    """Return what the argument after `head` names, if `head` begins with a command."""
    name, *before = head.split() or [""]
    command = slash_commands.find(name[1:].lower()) if name.startswith("/") else None
    if command is None or not command.arguments:
        return None
    place = min(len(before), len(command.arguments) - 1)
    return command.arguments[place]


def _candidates(state: ClientState, argument: Argument) -> list[str]:
    match argument:
        case Argument.CHANNEL:
            return _channels(state)
        case Argument.CONVERSATION:
            return [conversation.name for conversation in state.conversations if conversation.name]
        case Argument.COMMAND:
            return [*slash_commands.COMMANDS, "keys"]
        case Argument.REACTION:
            return list(REACTIONS)
        case Argument.NICK:
            return _nicks(state)


def _matching(state: ClientState, word: str, names: Iterable[str], ending: str) -> list[str]:
    prefix = state.fold(word)
    return [name + ending for name in names if state.fold(name).startswith(prefix)]


def _channels(state: ClientState) -> list[str]:
    return [channel.name for channel in state.roster]


def _nicks(state: ClientState) -> list[str]:
    current = state.roster.get(state.current)
    channels = [current] if current else list(state.roster)
    nicks = [nick for channel in channels for nick in channel.members_by_last_message()]
    if state.current and current is None:
        nicks.insert(0, state.current)
    return [nick for nick in dict.fromkeys(nicks) if not state.is_me(nick)]

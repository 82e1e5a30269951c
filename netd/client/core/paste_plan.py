"""The messages that a pasted text of several lines would become: their number and duration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netd.client.core.client_state import ClientState
from netd.client.core.outbox import MAX_WAITING

_MIN_SHOWN_S: Final = 1


@dataclass(frozen=True, slots=True)
class PastePlan:
    """Lines to paste, for `target`; empty lines cannot be sent and are left out."""

    target: str
    text: str
    lines: int
    messages: int
    seconds: float

    @property
    def question(self) -> str:
        """The words that ask whether to send."""
        place = self.target or "the server"
        joined = f" in {_counted(self.messages, 'message')}" if self.messages < self.lines else ""
        time = f", {self.seconds:.0f} s" if self.seconds >= _MIN_SHOWN_S else ""
        return f"{_counted(self.lines, 'line')} to {place}{joined}{time}: send, edit, drop?"

    @property
    def is_too_long(self) -> bool:
        """Whether it is more than can wait to be sent."""
        return self.messages > MAX_WAITING


def plan_paste(state: ClientState, text: str) -> PastePlan | None:
    """Return the plan for a pasted text; None if it is one line, which needs no question."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) <= 1:
        return None
    joined = "\n".join(lines)
    messages = state.split(state.current, joined)
    seconds = state.outbox.wait_s(more=messages)
    return PastePlan(state.current, joined, len(lines), len(messages), seconds)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"

"""The interface of a surface, the part of the terminal front end that prints and reads lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from netd.client.core.chat_events import ChatEvent, ScreenRequest
from netd.client.core.styled_text import Spans

INTERRUPT_HINT: Final = "Ctrl-C again leaves, so does Ctrl-D; /help lists the commands"
BELL: Final = "\a"


class Surface(Protocol):
    """Prints lines, and calls its owner for each typed line and when the user leaves."""

    async def run(self) -> None:
        """Read lines until the end of input, `stop` or cancellation."""

    def show(self, events: Sequence[ChatEvent], *, rings: bool) -> None:
        """Show events, and ring the bell if `rings`."""

    def print_spans(self, lines: Sequence[Spans]) -> None:
        """Print lines of the program itself."""

    def ask(self, question: str, choices: Mapping[str, Callable[[], None]]) -> None:
        """Ask the user, who chooses by the first letter of a word."""

    def carry_out(self, request: ScreenRequest) -> None:
        """Do what a slash command requests of the screen."""

    def refresh(self) -> None:
        """Redraw the parts that depend on the client's state, such as the prompt."""

    def stop(self) -> None:
        """Let `run` return, with the terminal restored."""

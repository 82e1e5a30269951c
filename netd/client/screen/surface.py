"""The interface of a surface, the part of the terminal front end that prints and reads lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

INTERRUPT_HINT: Final = "Ctrl-C again leaves, so does Ctrl-D; /help lists the commands"


class Surface(Protocol):
    """Prints lines, and calls its owner for each typed line and when the user leaves."""

    async def run(self) -> None:
        """Read lines until the end of input, `stop` or cancellation."""

    def show(self, lines: Sequence[str]) -> None:
        """Print lines."""

    def refresh(self) -> None:
        """Redraw the parts that depend on the client's state, such as the prompt."""

    def stop(self) -> None:
        """Let `run` return, with the terminal restored."""

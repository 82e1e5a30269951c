"""A surface that prints and reads whole lines; the terminal itself edits and echoes them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from netd.client.core.chat_events import ChatEvent, ScreenRequest
from netd.client.core.styled_text import Spans, plain_text
from netd.client.screen.hooks import Hooks
from netd.client.screen.surface import BELL, INTERRUPT_HINT
from netd.client.stdin import read_lines


class PlainLines:
    """The surface for a terminal that cannot move its cursor."""

    def __init__(
        self, hooks: Hooks, format_events: Callable[[Sequence[ChatEvent]], list[Spans]]
    ) -> None:
        self._hooks, self._format = hooks, format_events
        self._is_interrupted = False
        self._reading: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Read lines until the end of standard input (Ctrl-D)."""
        self._reading = asyncio.current_task()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)
        async for line in read_lines(sys.stdin.fileno()):
            self._is_interrupted = False
            self._hooks.on_activity()
            self._hooks.on_line(line)

    def show(self, events: Sequence[ChatEvent], *, rings: bool) -> None:
        self._print([plain_text(spans) for spans in self._format(events)], BELL if rings else "")

    def print_spans(self, lines: Sequence[Spans]) -> None:
        """Print lines."""
        self._print([plain_text(spans) for spans in lines])

    def ask(self, question: str, choices: Mapping[str, Callable[[], None]]) -> None:
        """Make the first choice: lines that were typed cannot answer."""
        self._print([question])
        next(iter(choices.values()))()

    def carry_out(self, request: ScreenRequest) -> None:
        """Do nothing: printed lines stay."""

    def refresh(self) -> None:
        """Do nothing: a prompt would stand between the printed lines."""

    def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    def _print(self, lines: Sequence[str], bell: str = "") -> None:
        if lines:
            sys.stdout.write("\n".join(lines) + bell + "\n")
            sys.stdout.flush()

    def _interrupt(self) -> None:
        if self._is_interrupted:
            self._hooks.on_leave()
        self._is_interrupted = True
        self._print([INTERRUPT_HINT])

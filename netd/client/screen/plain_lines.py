"""A surface that prints and reads whole lines; the terminal itself edits and echoes them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence

from netd.client.screen.surface import INTERRUPT_HINT
from netd.client.stdin import read_lines


class PlainLines:
    """The surface for a terminal that cannot move its cursor."""

    def __init__(self, on_line: Callable[[str], None], on_leave: Callable[[], None]) -> None:
        self._on_line, self._on_leave = on_line, on_leave
        self._is_interrupted = False
        self._reading: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Read lines until the end of standard input (Ctrl-D)."""
        self._reading = asyncio.current_task()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)
        async for line in read_lines(sys.stdin.fileno()):
            self._is_interrupted = False
            self._on_line(line)

    def show(self, lines: Sequence[str]) -> None:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def refresh(self) -> None:
        """Do nothing: a prompt would stand between the printed lines."""

    def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    def _interrupt(self) -> None:
        if self._is_interrupted:
            self._on_leave()
        self._is_interrupted = True
        self.show([INTERRUPT_HINT])

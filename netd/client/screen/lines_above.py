"""Prints text above a running prompt, in batches.

The terminal stays in raw mode, other than with `patch_stdout` of prompt_toolkit: for the moments of
its cooked mode, the terminal itself would process what the user types. Ctrl-C would end the
program in place of clearing the input, and other control characters would be lost.
"""

from __future__ import annotations

import asyncio
from typing import Final

from prompt_toolkit.application import Application

_BATCH_S: Final = 0.05  # the time between two redraws while many lines arrive


class LinesAbove:
    """Writes to the output of an application, above what the application draws."""

    def __init__(self, app: Application[str]) -> None:
        self._app = app
        self._texts: list[str] = []
        self._timer: asyncio.Handle | None = None

    def write(self, text: str) -> None:
        """Print whole lines, at once if nothing was printed for a moment."""
        self._texts.append(text)
        if not self._app.is_running:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_soon(self._print_batch)

    def flush(self) -> None:
        """Print what has not been printed yet."""
        texts, self._texts = self._texts, []
        if not texts:
            return
        output = self._app.output
        if self._app.is_running:
            self._app.renderer.erase()
        output.enable_autowrap()
        output.write_raw("".join(texts))
        output.flush()
        if self._app.is_running:
            self._app.invalidate()

    def _print_batch(self) -> None:
        self._timer = None
        if self._texts:
            self.flush()
            self._timer = asyncio.get_running_loop().call_later(_BATCH_S, self._print_batch)

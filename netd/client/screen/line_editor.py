"""A surface with a line being edited at the bottom; lines are printed above it.

The only module that uses prompt_toolkit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.patch_stdout import StdoutProxy

from netd.client.core.client_state import ClientState
from netd.client.core.completion import TabCycle
from netd.client.core.word_wrap import word_wrap
from netd.client.screen.surface import INTERRUPT_HINT

_BATCH_S: Final = 0.05  # the time between two redraws while many lines arrive
_INDENT: Final = len("12:30 ")


class LineEditor:
    """Reads lines with history, completion and key bindings, and prints lines above the input."""

    def __init__(
        self,
        state: ClientState,
        prompt: Callable[[], str],
        on_line: Callable[[str], None],
        on_leave: Callable[[], None],
    ) -> None:
        self._on_line, self._on_leave = on_line, on_leave
        self._is_interrupted = False
        self._tabs = TabCycle(state)
        self._above: StdoutProxy | TextIO = sys.stdout
        self._prompt: PromptSession[str] = PromptSession(
            prompt,
            history=InMemoryHistory(),
            key_bindings=self._bindings(),
            enable_suspend=True,
            erase_when_done=True,
            output=_output(),
        )
        self._prompt.default_buffer.accept_handler = self._accept
        self._prompt.default_buffer.on_text_changed += self._on_typed

    async def run(self) -> None:
        with StdoutProxy(sleep_between_writes=_BATCH_S, raw=True) as self._above:
            await self._prompt.prompt_async(handle_sigint=False)

    def show(self, lines: Sequence[str]) -> None:
        """Print lines above the line being edited."""
        width = self._prompt.output.get_size().columns
        pieces = [piece for line in lines for piece in word_wrap(line, width, _INDENT)]
        self._above.write("".join(f"{piece}\n" for piece in pieces))

    def stop(self) -> None:
        if self._prompt.app.is_running:
            self._prompt.app.exit(result="")

    def refresh(self) -> None:
        self._prompt.app.invalidate()

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        is_editing = has_focus(DEFAULT_BUFFER)  # not while searching the input history
        bindings.add("c-c", filter=is_editing)(self._interrupt)
        bindings.add("c-d", filter=is_editing)(self._end)
        bindings.add("tab", filter=is_editing)(self._complete)
        bindings.add("s-tab", filter=is_editing)(self._complete_backwards)
        return bindings

    def _accept(self, buffer: Buffer) -> bool:
        # Surrogates stand for typed bytes that are not UTF-8 (PEP 383); they cannot be sent.
        text = buffer.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for line in text.splitlines():
            self._on_line(line)
        return False  # clear the buffer

    def _interrupt(self, event: KeyPressEvent) -> None:
        if self._is_interrupted:
            self._on_leave()
            return
        if not event.current_buffer.text:
            self.show([INTERRUPT_HINT])
        event.current_buffer.reset()
        self._is_interrupted = True

    def _end(self, event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.delete()
        else:
            self._on_leave()

    def _complete(self, event: KeyPressEvent, step: int = 1) -> None:
        document = event.current_buffer.document
        before = self._tabs.press(document.text_before_cursor, step)
        event.current_buffer.document = Document(before + document.text_after_cursor, len(before))

    def _complete_backwards(self, event: KeyPressEvent) -> None:
        self._complete(event, -1)

    def _on_typed(self, _buffer: object) -> None:
        self._is_interrupted = False


def _output() -> Output:
    output = create_output()
    if isinstance(output, Vt100_Output):
        # A one-line prompt needs no cursor position request (DSR 6). Some terminals never reply
        # to it, and a late reply is read by the shell.
        output.enable_cpr = False
    return output

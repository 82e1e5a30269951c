"""netd-chat on a terminal: a line to type in, and everything else above it.

The only module that knows prompt_toolkit; it is imported only when there is a terminal.
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

from netd.client.complete import TabCycle
from netd.client.state import State
from netd.client.wording import INTERRUPT_HINT
from netd.client.wrap import wrap

_BATCH_S: Final = 0.05  # a flood is drawn in batches, a single line nearly at once
_INDENT: Final = len("12:30 ")


class Screen:
    """Owns the terminal while it runs."""

    def __init__(
        self,
        state: State,
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
        """Edit lines until cancelled."""
        with StdoutProxy(sleep_between_writes=_BATCH_S, raw=True) as self._above:
            await self._prompt.prompt_async(handle_sigint=False)

    def show(self, lines: Sequence[str]) -> None:
        """Print above the line being typed, which stays as it is."""
        width = self._prompt.output.get_size().columns
        wrapped = [piece for line in lines for piece in wrap(line, width, _INDENT)]
        self._above.write("".join(f"{piece}\n" for piece in wrapped))

    def stop(self) -> None:
        """Give the terminal back."""
        if self._prompt.app.is_running:
            self._prompt.app.exit(result="")

    def refresh(self) -> None:
        """Draw the prompt anew: it may have changed."""
        self._prompt.app.invalidate()

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        is_typing = has_focus(DEFAULT_BUFFER)  # and not searching what was typed before
        bindings.add("c-c", filter=is_typing)(self._interrupt)
        bindings.add("c-d", filter=is_typing)(self._end)
        bindings.add("tab", filter=is_typing)(self._tab)
        bindings.add("s-tab", filter=is_typing)(self._back_tab)
        return bindings

    def _accept(self, buffer: Buffer) -> bool:
        # Bytes that are no UTF-8 come as surrogates, which cannot be sent (PEP 383).
        line = buffer.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for each in line.splitlines():
            self._on_line(each)
        return False  # the text does not stay

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

    def _tab(self, event: KeyPressEvent) -> None:
        self._complete(event, 1)

    def _back_tab(self, event: KeyPressEvent) -> None:
        self._complete(event, -1)

    def _complete(self, event: KeyPressEvent, step: int) -> None:
        document = event.current_buffer.document
        before = self._tabs.press(document.text_before_cursor, step)
        event.current_buffer.document = Document(before + document.text_after_cursor, len(before))

    def _on_typed(self, _buffer: object) -> None:
        self._is_interrupted = False


def _output() -> Output:
    output = create_output()
    if isinstance(output, Vt100_Output):
        # One line at the bottom needs no asking where the cursor is, which some terminals
        # never answer, and slow ones answer into the shell that follows.
        output.enable_cpr = False
    return output

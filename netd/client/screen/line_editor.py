"""A surface with a line being edited at the bottom; lines are printed above it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.key_binding import KeyBindingsBase, merge_key_bindings

from netd.client.core.chat_events import ChatEvent, ScreenRequest
from netd.client.core.client_state import ClientState
from netd.client.core.styled_text import Spans, Style, plain_text, to_ansi
from netd.client.core.word_wrap import word_wrap
from netd.client.screen.hooks import Hooks
from netd.client.screen.input_line import InputLine, TypedLines, drawing_output
from netd.client.screen.lines_above import LinesAbove
from netd.client.screen.questions import Choices, Questions
from netd.client.screen.reflow import ReflowRenderer
from netd.client.screen.surface import BELL
from netd.client.screen.view_keys import line_bindings

_INDENT: Final = len("12:30 ")

Format = Callable[[Sequence[ChatEvent]], list[Spans]]


class LineEditor:
    """Reads lines with history, completion and key bindings, and prints lines above the input."""

    def __init__(  # noqa: PLR0913 (what it shows, and how)
        self,
        state: ClientState,
        hooks: Hooks,
        typed_lines: TypedLines,
        format_events: Format,
        *,
        colors: bool,
        reflows: bool,
    ) -> None:
        """`reflows`: the terminal breaks rows anew when it becomes narrower."""
        self._state, self._hooks, self._format, self._colors = state, hooks, format_events, colors
        self.questions = Questions()
        self._input = InputLine(state, hooks, self.questions, self._note)
        self._prompt: PromptSession[str] = PromptSession(
            self._prompt_text,
            history=typed_lines,
            key_bindings=self._bindings(),
            enable_suspend=True,
            erase_when_done=True,
            output=drawing_output(),
        )
        self._prompt.default_buffer.accept_handler = self._input.accept
        self._prompt.default_buffer.on_text_changed += self._input.on_typed
        self._prompt.app.key_processor.before_key_press += self._on_key
        if reflows:
            ReflowRenderer.install(self._prompt.app)
        self._above = LinesAbove(self._prompt.app)

    async def run(self) -> None:
        try:
            await self._prompt.prompt_async(handle_sigint=False)
        finally:
            self._above.flush()

    def show(self, events: Sequence[ChatEvent], *, rings: bool) -> None:
        """Print the lines of events above the line being edited."""
        self._print(self._format(events), rings=rings)
        self.refresh()

    def print_spans(self, lines: Sequence[Spans]) -> None:
        """Print lines above the line being edited."""
        self._print(lines, rings=False)

    def ask(self, question: str, choices: Choices) -> None:
        self.questions.ask(question, choices)
        self.refresh()

    def carry_out(self, request: ScreenRequest) -> None:
        """Do nothing: printed lines stay."""

    def stop(self) -> None:
        if self._prompt.app.is_running:
            self._prompt.app.exit(result="")

    def refresh(self) -> None:
        self._input.follow(self._prompt.default_buffer)
        self._prompt.app.invalidate()

    def _print(self, lines: Sequence[Spans], *, rings: bool) -> None:
        width = self._prompt.output.get_size().columns
        rows = [
            row for line in lines for row in word_wrap(line, width, _INDENT, breaks_words=False)
        ]
        texts = [to_ansi(row) if self._colors else plain_text(row) for row in rows]
        if texts:
            self._above.write("\n".join(texts) + (BELL if rings else "") + "\n")

    def _prompt_text(self) -> str:
        return f"{self.questions.text} " if self.questions.text else self._hooks.prompt()

    def _bindings(self) -> KeyBindingsBase:
        is_editing = has_focus(DEFAULT_BUFFER) & ~self.questions.is_open
        return merge_key_bindings(
            [
                self._input.bindings(DEFAULT_BUFFER),
                line_bindings(self._state, self._switch, is_editing),
                self.questions.bindings(),
            ]
        )

    def _switch(self, name: str) -> None:
        self._input.switch(self._prompt.default_buffer, name)

    def _on_key(self, _sender: object) -> None:
        self._hooks.on_activity()

    def _note(self, text: str) -> None:
        now = dt.datetime.now().astimezone()
        self._print([[(Style.DIM, f"{now:%H:%M} -- {text}")]], rings=False)

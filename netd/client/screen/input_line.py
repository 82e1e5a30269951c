"""The input: a buffer with history and completion, and its keys, for both drawing surfaces."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from typing import Final

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth, Output

from netd.client.core.client_state import ClientState
from netd.client.core.completion import TabCycle
from netd.client.core.paste_plan import plan_paste
from netd.client.core.secrets import has_secret
from netd.client.screen.hooks import Hooks
from netd.client.screen.questions import Questions
from netd.client.screen.steady_output import SteadyOutput
from netd.client.screen.surface import INTERRUPT_HINT
from netd.client.state_files import StateFiles

MAX_PASTED_CHARS: Final = 400_000


class TypedLines(History):
    """The typed lines of this run and of earlier ones; a line with a password is not kept."""

    def __init__(self, files: StateFiles | None) -> None:
        super().__init__()
        self._files = files

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._files.typed_lines()) if self._files else ()

    def append_string(self, string: str) -> None:
        if not has_secret(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        if self._files is not None:
            self._files.keep_typed_line(string)


class InputLine:
    """Turns keys into lines for the hooks; `note` shows a hint to the user."""

    def __init__(
        self, state: ClientState, hooks: Hooks, questions: Questions, note: Callable[[str], None]
    ) -> None:
        self._state, self._hooks, self._questions, self._note = state, hooks, questions, note
        self._tabs = TabCycle(state)
        self._is_interrupted = False

    def on_typed(self, _buffer: object = None) -> None:
        """Take note that the text has changed."""
        self._is_interrupted = False

    def switch(self, buffer: Buffer, name: str) -> None:
        """Go to another conversation; the text that was typed stays with this one."""
        self._state.conversations.current.draft = buffer.text
        buffer.reset()
        self._hooks.on_switch(name)
        self._restore_draft(buffer)

    def follow(self, buffer: Buffer) -> None:
        """Restore the draft of a conversation that a command or the server made the current one."""
        if self._state.conversations.current.draft:  # soon: the buffer still has the command
            asyncio.get_running_loop().call_soon(self._restore_draft, buffer)

    def _restore_draft(self, buffer: Buffer) -> None:
        conversation = self._state.conversations.current
        if conversation.draft and not buffer.text:
            buffer.document = Document(conversation.draft)
            conversation.draft = ""

    def accept(self, buffer: Buffer) -> bool:
        """Pass the text on: one line as it was typed, several lines as a paste."""
        # Surrogates stand for typed bytes that are not UTF-8 (PEP 383); they cannot be sent.
        text = buffer.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        plan = plan_paste(self._state, text)
        if plan is not None and not text.startswith("/"):
            self._hooks.on_paste(plan)
        else:
            for line in text.splitlines():
                self._hooks.on_line(line)
        return False  # clear the buffer

    def bindings(self, buffer_name: str) -> KeyBindings:
        """Return the keys of the input."""
        bindings = KeyBindings()
        is_editing = has_focus(buffer_name)  # not while searching the input history
        bindings.add("c-c", filter=is_editing)(self._interrupt)
        bindings.add("c-d", filter=is_editing)(self._end)
        bindings.add("tab", filter=is_editing)(self._complete)
        bindings.add("s-tab", filter=is_editing)(self._complete_backwards)
        bindings.add(Keys.BracketedPaste, filter=is_editing)(self._paste)
        return bindings

    def _interrupt(self, event: KeyPressEvent) -> None:
        if self._is_interrupted:
            self._hooks.on_leave()
            return
        if not event.current_buffer.text:
            self._note(INTERRUPT_HINT)
        event.current_buffer.reset()
        self._is_interrupted = True

    def _end(self, event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.delete()
        else:
            self._hooks.on_leave()

    def _complete(self, event: KeyPressEvent, step: int = 1) -> None:
        document = event.current_buffer.document
        before = self._tabs.press(document.text_before_cursor, step)
        event.current_buffer.document = Document(before + document.text_after_cursor, len(before))

    def _complete_backwards(self, event: KeyPressEvent) -> None:
        self._complete(event, -1)

    def _paste(self, event: KeyPressEvent) -> None:
        """Insert one line; ask what to do with several."""
        buffer = event.current_buffer
        pasted = event.data.replace("\r\n", "\n").replace("\r", "\n")
        if len(pasted) > MAX_PASTED_CHARS:
            self._note(f"a text of {len(pasted)} characters is too long to paste")
            return
        document = buffer.document
        whole = document.text_before_cursor + pasted + document.text_after_cursor
        plan = plan_paste(self._state, whole)
        if plan is None:
            buffer.insert_text(pasted.strip("\n"))
            return
        if plan.is_too_long:
            self._note(f"{plan.lines} lines are too many to send")
            return

        def edit() -> None:
            buffer.document = Document(whole.rstrip("\n"))

        def send() -> None:
            buffer.reset()
            self._hooks.on_paste(plan)

        self._questions.ask(plan.question, {"send": send, "edit": edit, "drop": lambda: None})


def drawing_output() -> Output:
    """Return the terminal to draw on."""
    output = SteadyOutput.from_pty(sys.stdout, os.environ.get("TERM"), ColorDepth.from_env())
    # Neither surface needs cursor position requests (DSR 6). Some terminals never reply
    # to them, and a late reply is read by the shell.
    output.enable_cpr = False
    return output

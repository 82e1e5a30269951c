"""Lines that are printed while a line is being edited."""

from __future__ import annotations

import asyncio
import io

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from netd.client.screen.lines_above import LinesAbove


class Screen:
    """A prompt on a screen; each print is followed by keys, before the loop goes on."""

    def __init__(self, keys: PipeInput) -> None:
        self._written = io.StringIO()
        output = Vt100_Output(self._written, lambda: Size(24, 80), term="xterm")
        self.prompt: PromptSession[str] = PromptSession("> ", input=keys, output=output)
        self.above = LinesAbove(self.prompt.app)

    @property
    def text(self) -> str:
        return self._written.getvalue()

    async def see(self, text: str) -> None:
        while text not in self.text:
            await asyncio.sleep(0)


def test_lines_appear_above_the_prompt_and_leave_the_terminal_raw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run(keys: PipeInput) -> tuple[str, str]:
        screen = Screen(keys)
        monkeypatch.setattr(keys, "cooked_mode", lambda: pytest.fail("cooked mode"))
        screen.above.write("before the prompt\n")
        editing = asyncio.create_task(screen.prompt.prompt_async())
        await screen.see(">")
        screen.above.write("one\n")
        screen.above.write("two\n")
        await screen.see("two")
        screen.above.write("three\n")
        keys.send_text("typed\r")
        typed = await editing
        screen.above.write("after the prompt\n")
        screen.above.flush()
        return typed, screen.text

    with create_pipe_input() as keys:
        typed, text = asyncio.run(run(keys))
    assert typed == "typed"
    printed = ("before the prompt", "one\ntwo", "three", "after the prompt")
    assert sorted(printed, key=text.index) == list(printed)

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
    """A prompt on a screen."""

    def __init__(self, keys: PipeInput) -> None:
        self._written = io.StringIO()
        output = Vt100_Output(self._written, lambda: Size(24, 80), term="xterm")
        self.prompt: PromptSession[str] = PromptSession("> ", input=keys, output=output)
        self.prompt.app.after_render += lambda _: self._drawn.set()
        self.above = LinesAbove(self.prompt.app)
        self._drawn = asyncio.Event()

    @property
    def text(self) -> str:
        return self._written.getvalue()

    async def draw(self) -> None:
        """Wait until the prompt is drawn again."""
        self._drawn.clear()
        await self._drawn.wait()


def test_lines_appear_above_the_prompt_and_leave_the_terminal_raw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run(keys: PipeInput) -> tuple[str, str]:
        screen = Screen(keys)
        monkeypatch.setattr(keys, "cooked_mode", lambda: pytest.fail("cooked mode"))
        screen.above.write("before the prompt\n")
        editing = asyncio.create_task(screen.prompt.prompt_async())
        await screen.draw()
        screen.above.write("one\n")
        screen.above.write("two\n")
        await screen.draw()
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

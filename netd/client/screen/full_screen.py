"""The full-screen view: a window for the current conversation, bars, and the input.

title bar
lines of the conversation                     | members
lines that wait to be sent
status bar: clock, nick, unread conversations
[#lounge] input
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Final

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindingsBase, merge_key_bindings
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    VSplit,
    Window,
)
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.utils import get_cwidth
from prompt_toolkit.widgets import SearchToolbar

from netd.client.core import bars
from netd.client.core.chat_events import ChatEvent, ScreenAction, ScreenRequest
from netd.client.core.client_state import ClientState
from netd.client.core.desk import Desk
from netd.client.core.styled_text import Spans
from netd.client.screen.hooks import Hooks
from netd.client.screen.input_line import InputLine, TypedLines, drawing_output
from netd.client.screen.messages_view import (
    MEMBERS_COLUMNS,
    STYLES,
    MemberList,
    RowsControl,
    bar_fragments,
)
from netd.client.screen.questions import Choices, Questions
from netd.client.screen.view_keys import view_bindings

_MIN_REDRAW_S: Final = 0.05  # many lines in a moment are drawn once
_CLOCK_S: Final = 30.0
_INPUT: Final = "input"
_MAX_INPUT_ROWS: Final = 5
_MAX_QUESTION_ROWS: Final = 3
_WHEEL_ROWS: Final = 3
_MOUSE_ON: Final = "the mouse wheel scrolls; hold Shift to select text"
_MOUSE_OFF: Final = "the mouse is the terminal's again"


class FullScreen:
    """Draws the desk; prompt_toolkit writes only the cells that have changed."""

    def __init__(
        self,
        state: ClientState,
        desk: Desk,
        hooks: Hooks,
        typed_lines: TypedLines,
        *,
        colors: bool,
    ) -> None:
        self._state, self._desk, self._hooks = state, desk, hooks
        self.questions = Questions()
        self._members, self._shows_members = MemberList(state), True
        self._has_mouse = False
        self._input = InputLine(state, hooks, self.questions, self._note)
        self._buffer = Buffer(
            name=_INPUT,
            history=typed_lines,
            accept_handler=self._accept,
            multiline=False,
            on_text_changed=self._input.on_typed,
        )
        self._search = SearchToolbar(ignore_case=True)
        self._app: Application[None] = Application(
            layout=Layout(self._layout(), focused_element=self._buffer),
            key_bindings=self._bindings(),
            style=STYLES,
            full_screen=True,
            mouse_support=Condition(lambda: self._has_mouse),
            enable_page_navigation_bindings=False,
            color_depth=None if colors else ColorDepth.DEPTH_1_BIT,
            min_redraw_interval=_MIN_REDRAW_S,
            refresh_interval=_CLOCK_S,
            output=drawing_output(),
        )
        self._app.ttimeoutlen = 0.05
        self._app.key_processor.before_key_press += self._on_key

    async def run(self) -> None:
        await self._app.run_async(handle_sigint=False)

    def show(self, events: Sequence[ChatEvent], *, rings: bool) -> None:
        """Draw the desk again, soon; the events are on it already."""
        del events
        if rings and self._app.is_running:
            self._app.output.bell()
        self.refresh()

    def print_spans(self, lines: Sequence[Spans]) -> None:
        now = dt.datetime.now().astimezone()
        for spans in lines:
            self._desk.add_spans(spans, now)
        self.refresh()

    def ask(self, question: str, choices: Choices) -> None:
        self.questions.ask(question, choices)
        self.refresh()

    def carry_out(self, request: ScreenRequest) -> None:
        if request.action is ScreenAction.CLEAR:
            self._desk.current.clear()
        self.refresh()

    def refresh(self) -> None:
        self._desk.follow()
        self._input.follow(self._buffer)
        self._app.invalidate()

    def stop(self) -> None:
        if self._app.is_running:
            self._app.exit()

    # The keys

    def go_to(self, number: int) -> None:
        if (conversation := self._state.conversations.at(number)) is not None:
            self._switch(conversation.name)

    def step(self, by: int) -> None:
        self._switch(self._state.conversations.step(by).name)

    def go_to_unread(self) -> None:
        if (conversation := self._state.conversations.next_unread()) is not None:
            self._switch(conversation.name)

    def go_back(self) -> None:
        self._switch(self._state.conversations.previous.name)

    def _switch(self, name: str) -> None:
        self._input.switch(self._buffer, name)

    def scroll_page(self, direction: int) -> None:
        self._desk.current.scroll_page(direction)
        self._after_scroll()

    def scroll(self, direction: int) -> None:
        self._desk.current.scroll(direction * _WHEEL_ROWS)
        self._after_scroll()

    def to_start(self) -> None:
        self._desk.current.to_start()
        self._after_scroll()

    def to_end(self) -> None:
        self._desk.current.to_end()
        self._after_scroll()

    def to_unread(self) -> None:
        self._desk.current.to_unread()
        self._after_scroll()

    def redraw(self) -> None:
        self._app.renderer.clear()

    def toggle_members(self) -> None:
        self._shows_members = not self._shows_members

    def toggle_mouse(self) -> None:
        self._has_mouse = not self._has_mouse
        self._note(_MOUSE_ON if self._has_mouse else _MOUSE_OFF)

    def _accept(self, buffer: Buffer) -> bool:
        """Take a typed line, and show the newest lines: its effect is the next one of them."""
        shown, is_empty = self._desk.current, not buffer.text
        keeps_text = self._input.accept(buffer)
        if self._desk.current is shown and not is_empty:
            shown.to_end()
        return keeps_text

    def _after_scroll(self) -> None:
        if self._desk.current.is_at_start():
            self._hooks.on_top()

    def _on_key(self, _sender: object) -> None:
        self._hooks.on_activity()

    def _bindings(self) -> KeyBindingsBase:
        is_editing = has_focus(_INPUT) & ~self.questions.is_open
        return merge_key_bindings(
            [
                self._input.bindings(_INPUT),
                view_bindings(self, is_editing),
                self.questions.bindings(),
            ]
        )

    def _note(self, text: str) -> None:
        self._desk.note(text, dt.datetime.now().astimezone())
        self.refresh()

    # The layout

    def _layout(self) -> HSplit:
        members = VSplit(
            [
                Window(width=1, char="|", style="class:dim"),
                Window(RowsControl(self._members.rows), width=MEMBERS_COLUMNS),
            ]
        )
        return HSplit(
            [
                self._bar(lambda: bars.title(self._state, self._hooks.server())),
                VSplit(
                    [
                        Window(RowsControl(self._rows, at_bottom=True, scroll=self.scroll)),
                        ConditionalContainer(members, Condition(self._has_members)),
                    ]
                ),
                ConditionalContainer(
                    Window(RowsControl(self._waiting), height=self._waiting_height),
                    Condition(lambda: bool(self._state.outbox.waiting())),
                ),
                self._bar(self._status),
                ConditionalContainer(
                    Window(
                        FormattedTextControl(self._question),
                        height=Dimension(min=1, max=_MAX_QUESTION_ROWS),
                        wrap_lines=True,
                        dont_extend_height=True,
                    ),
                    self.questions.is_open,
                ),
                ConditionalContainer(self._input_window(), ~self.questions.is_open),
                self._search,
            ]
        )

    def _bar(self, spans: Callable[[], Spans]) -> Window:
        def text() -> StyleAndTextTuples:
            return bar_fragments(spans())

        return Window(FormattedTextControl(text), height=1, style="class:bar")

    def _input_window(self) -> Window:
        control = BufferControl(
            self._buffer,
            input_processors=[BeforeInput(lambda: bars.prompt(self._state))],
            search_buffer_control=self._search.control,
            preview_search=True,
        )
        height = Dimension(min=1, max=_MAX_INPUT_ROWS)
        return Window(control, height=height, wrap_lines=True, dont_extend_height=True)

    def _rows(self, width: int, height: int) -> list[Spans]:
        return self._desk.current.visible(width, height)

    def _waiting(self, width: int, _height: int) -> list[Spans]:
        return bars.waiting(self._state, width)

    def _waiting_height(self) -> Dimension:
        return Dimension.exact(len(bars.waiting(self._state, 1)))

    def _status(self) -> Spans:
        below = self._desk.current.lines_below
        clock = f"{dt.datetime.now().astimezone():%H:%M}"
        width = self._app.output.get_size().columns
        return bars.status(self._state, clock, below, width, get_cwidth)

    def _question(self) -> StyleAndTextTuples:
        return [("class:mention", self.questions.text)]

    def _has_members(self) -> bool:
        width = self._app.output.get_size().columns
        return self._shows_members and self._members.is_wanted(width)

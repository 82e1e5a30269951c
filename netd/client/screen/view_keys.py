"""The keys of the full-screen view, as users of irssi and WeeChat know them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from prompt_toolkit.filters import Filter
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from netd.client.core.client_state import ClientState
from netd.client.core.conversations import Conversation

_DIGITS: Final = "1234567890"


class View(Protocol):
    """The actions of the keys."""

    def go_to(self, number: int) -> None:
        """Show the conversation with a number."""

    def step(self, by: int) -> None:
        """Show the conversation so many places after the current one."""

    def go_to_unread(self) -> None:
        """Show the conversation to read next."""

    def go_back(self) -> None:
        """Show the conversation that was shown before."""

    def scroll_page(self, direction: int) -> None:
        """Scroll up (1) or down (-1) by a page."""

    def scroll(self, direction: int) -> None:
        """Scroll up (1) or down (-1) by some rows."""

    def to_start(self) -> None:
        """Scroll to the first line."""

    def to_end(self) -> None:
        """Scroll to the last line."""

    def to_unread(self) -> None:
        """Scroll to the first unread line."""

    def redraw(self) -> None:
        """Draw everything again."""

    def toggle_members(self) -> None:
        """Show or hide the list of members."""

    def toggle_mouse(self) -> None:
        """Let the mouse wheel scroll, or leave the mouse to the terminal."""


def view_bindings(view: View, is_editing: Filter) -> KeyBindings:
    """Return the bindings of the view; `is_editing` while the input has the focus."""
    bindings = KeyBindings()
    for keys, act in _actions(view):
        bindings.add(*keys, filter=is_editing)(_without_event(act))
    bindings.add("escape", "enter", filter=is_editing)(_new_line)
    bindings.add("enter", filter=is_editing)(_accept)
    bindings.add("c-z")(_suspend)
    return bindings


def _actions(view: View) -> list[tuple[tuple[str, ...], Callable[[], None]]]:
    numbers = [
        (("escape", digit), partial(view.go_to, number)) for number, digit in enumerate(_DIGITS, 1)
    ]
    return [
        *numbers,
        *[((key,), partial(view.step, 1)) for key in ("c-n", "f6")],
        *[((key,), partial(view.step, -1)) for key in ("c-p", "f5")],
        (("escape", "right"), partial(view.step, 1)),
        (("escape", "left"), partial(view.step, -1)),
        (("escape", "a"), view.go_to_unread),
        (("escape", "/"), view.go_back),
        (("pageup",), partial(view.scroll_page, 1)),
        (("pagedown",), partial(view.scroll_page, -1)),
        (("escape", "pageup"), partial(view.scroll, 1)),
        (("escape", "pagedown"), partial(view.scroll, -1)),
        (("escape", "home"), view.to_start),
        (("c-home",), view.to_start),
        (("escape", "end"), view.to_end),
        (("c-end",), view.to_end),
        (("escape", "u"), view.to_unread),
        (("escape", "n"), view.toggle_members),
        (("escape", "m"), view.toggle_mouse),
        (("c-l",), view.redraw),
    ]


def _without_event(act: Callable[[], None]) -> Callable[[KeyPressEvent], None]:
    return lambda _event: act()


def _new_line(event: KeyPressEvent) -> None:
    event.current_buffer.insert_text("\n")


def _accept(event: KeyPressEvent) -> None:
    event.current_buffer.validate_and_handle()


def _suspend(event: KeyPressEvent) -> None:
    event.app.suspend_to_background()


def line_bindings(
    state: ClientState, switch: Callable[[str], None], is_editing: Filter
) -> KeyBindings:
    """Return the keys of the line editor that change the current conversation."""
    bindings, conversations = KeyBindings(), state.conversations

    def step(by: int) -> None:
        switch(conversations.step(by).name)

    def go_to(conversation: Conversation | None) -> None:
        if conversation is not None:
            switch(conversation.name)

    for key, by in (("c-n", 1), ("c-p", -1)):
        bindings.add(key, filter=is_editing)(_without_event(partial(step, by)))
    for number, digit in enumerate(_DIGITS, 1):
        act = partial(lambda n: go_to(conversations.at(n)), number)
        bindings.add("escape", digit, filter=is_editing)(_without_event(act))
    unread = _without_event(lambda: go_to(conversations.next_unread()))
    bindings.add("escape", "a", filter=is_editing)(unread)
    bindings.add("escape", "enter", filter=is_editing)(_accept)
    return bindings

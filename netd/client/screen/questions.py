"""A question that takes the place of the input until a key answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

Choices = Mapping[str, Callable[[], None]]


class Questions:
    """At most one open question; a choice is made by the first letter of its word."""

    def __init__(self) -> None:
        self.text = ""
        """The question; empty if none is open."""
        self._choices: Choices = {}
        self.is_open = Condition(lambda: bool(self.text))

    def ask(self, text: str, choices: Choices) -> None:
        """Open a question, in place of one that is open; Escape makes the last choice."""
        self.text, self._choices = text, choices

    def bindings(self) -> KeyBindings:
        """Return the keys that answer."""
        bindings = KeyBindings()
        for key in (Keys.Any, "enter", "tab", Keys.BracketedPaste):
            bindings.add(key, filter=self.is_open, eager=True)(self._on_key)
        for key in ("escape", "c-c", "c-d", "c-g"):
            bindings.add(key, filter=self.is_open, eager=True)(lambda _: self._choose(-1))
        return bindings

    def _on_key(self, event: KeyPressEvent) -> None:
        first_letters = [word[0] for word in self._choices]
        if event.data.lower() in first_letters:
            self._choose(first_letters.index(event.data.lower()))

    def _choose(self, number: int) -> None:
        choice = list(self._choices.values())[number]
        self.text, self._choices = "", {}
        choice()

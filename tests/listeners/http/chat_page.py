"""The page of a chat in a browser, as a person uses it."""

from __future__ import annotations

import json
from typing import Any

from tests.listeners.http.browser import Browser
from tests.support import wait_until


class ChatPage:
    """The page at a port of this machine."""

    def __init__(self, browser: Browser, port: int) -> None:
        self.browser = browser
        self.port = port

    def open(
        self,
        nick: str = "anna",
        *,
        place: str = "#lounge",
        password: str = "",
        is_new: bool = False,
    ) -> None:
        self.load(place)
        self.submit_form(nick, password, is_new=is_new)
        self.await_text("#status", "", exact=True)
        wait_until(lambda: self.run("return document.querySelector('#enter').hidden"), "the entry")
        if place:
            self.await_text("#name", place)

    def submit_form(self, nick: str, password: str, *, is_new: bool = False) -> None:
        self.browser.run(
            f"document.querySelector('[name=nick]').value = '{nick}';"
            f"document.querySelector('[name=password]').value = '{password}';"
            f"document.querySelector('[name=isnew]').checked = {str(is_new).lower()};"
            "document.querySelector('#enter form').requestSubmit()"
        )

    def load(self, place: str = "") -> None:
        """Load the page, anew if it is shown."""
        self.browser.visit("about:blank")
        self.browser.visit(f"http://127.0.0.1:{self.port}/chat{place}")

    def run(self, script: str) -> Any:
        return self.browser.run(script)

    def text(self, selector: str) -> str:
        return str(self.run(f"return document.querySelector({selector!r})?.innerText ?? ''"))

    def await_text(self, selector: str, text: str, *, exact: bool = False) -> None:
        wait_until(
            lambda: self.text(selector) == text if exact else text in self.text(selector),
            f"{text!r} in {selector}",
        )

    def count(self, selector: str) -> int:
        return int(self.run(f"return document.querySelectorAll({selector!r}).length"))

    def use_tool(self, line: str, number: int) -> None:
        """Press a button of those that a line has while it has the focus."""
        self.run(
            f"document.querySelector({line!r}).focus();"
            f"document.querySelectorAll('.tools button')[{number}].click()"
        )

    def say(self, text: str) -> None:
        box = "document.querySelector('#box')"
        self.run(f"{box}.value = {json.dumps(text)}; {box}.form.requestSubmit()")

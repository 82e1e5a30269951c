"""One room for two browsers, netd-chat, irssi and a script, through all that happens to netd.

Anna has two browsers and irssi, Bob has netd-chat. The second browser's network can be cut.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

import pytest

from tests.client.conftest import COMMAND
from tests.client.cuttable_wire import CuttableWire
from tests.client.tmux import Tmux
from tests.conftest import StartManaged
from tests.interop.test_two_people import CONFIG, IRSSI, kill, reload, restart
from tests.listeners.http.browser import Browser, chromium
from tests.listeners.http.chat_page import ChatPage
from tests.played_systemd import ManagedDaemon
from tests.support import PATIENCE_S, wait_until

WEB: Final = """
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"

[[listeners.web.routes]]
path = "/chat"
chat = "lounge"

[[listeners.web.routes]]
path = "/hooks/ops"
post = "lounge"
channel = "#lounge"
nick = "deploy"
token = "0123456789abcdef"
post_rate = 0
"""
_NUMBER: Final = re.compile(r"\bline (\d+)\b")
_TEXTS: Final = "return [...document.querySelectorAll('.message .text')].map((e) => e.textContent)"

pytestmark = pytest.mark.needs("chromium", "chromedriver", "tmux", "irssi")


class Room:
    """The clients, which show numbered lines, and three ways to say one."""

    def __init__(
        self, daemon: ManagedDaemon, directory: Path, tmux: Tmux, pages: tuple[ChatPage, ChatPage]
    ) -> None:
        self._directory, self._tmux, self.pages = directory, tmux, pages
        self._hook = f"http://127.0.0.1:{daemon.address('web').port}/hooks/ops"
        self.said = 0
        self._speakers = itertools.cycle((self._say_on_page, self._post, self._type))
        address = daemon.address("lounge")
        password = directory / "bob"
        password.write_text("simsim\n")
        command = ("--plain", str(address), "--name", "bob", "--password-file", str(password))
        tmux.start("chat", *COMMAND, *command)
        (directory / "irssi").mkdir()
        config = IRSSI.format(host=address.host, port=address.port, log=directory / "irssi.log")
        (directory / "irssi" / "config").write_text(config)
        tmux.start("irssi", "irssi", f"--home={directory / 'irssi'}")
        tmux.await_text("chat", "here:")
        wait_until((directory / "irssi.log").exists, "irssi")

    def numbers(self) -> dict[str, list[int]]:
        """The numbers of the lines that each client shows."""
        texts = {
            "netd-chat": self._tmux.screen("chat"),
            "irssi": (self._directory / "irssi.log").read_text(errors="replace"),
            "first browser": "\n".join(self.pages[0].run(_TEXTS)),
            "second browser": "\n".join(self.pages[1].run(_TEXTS)),
        }
        return {name: [*map(int, _NUMBER.findall(text))] for name, text in texts.items()}

    def say(self, *, lost_by: str = "") -> None:
        """Let a browser, a script and netd-chat say a line each; all see it, but one may not."""
        for _ in range(3):
            next(self._speakers)(f"line {self.said}")
            self.said += 1
            wait_until(lambda: self._have_all(lost_by), f"line {self.said - 1}")

    def _have_all(self, lost_by: str = "") -> bool:
        return all(
            name == lost_by or set(numbers) >= {*range(self.said)}
            for name, numbers in self.numbers().items()
        )

    def await_all(self) -> None:
        """Wait until each client has each line; fail if one has a line twice, or out of order."""
        wait_until(self._have_all, "all lines")
        for name, numbers in self.numbers().items():
            assert numbers == [*range(self.said)], name

    def _say_on_page(self, line: str) -> None:
        page = self.pages[0]
        page.say(line)
        wait_until(lambda: page.count(".state") == 0, "the line to be sent, or not")
        if page.count(".failed"):  # the page had lost its connection
            page.await_text("#status", "", exact=True)
            page.run("document.querySelector('.failed').click()")

    def _type(self, line: str) -> None:
        self._tmux.type("chat", line)

    def _post(self, line: str) -> None:
        request = Request(self._hook, line.encode(), {"Authorization": "Bearer 0123456789abcdef"})
        with urlopen(request, None, PATIENCE_S) as response:
            assert response.status == 204

    def mention(self) -> None:
        """Let Bob say three lines, one of which is for Anna."""
        for text in ("one", "two, anna", "three"):
            self._tmux.type("chat", text)


@pytest.fixture
def browsers() -> Iterator[tuple[Browser, Browser]]:
    with chromium() as first, chromium() as second:
        yield first, second


def test_each_line_is_everywhere_once(
    start_managed: StartManaged, tmux: Tmux, home: Path, browsers: tuple[Browser, Browser]
) -> None:
    daemon = start_managed(CONFIG.format(directory=home) + WEB)
    with contextlib.closing(CuttableWire(daemon.address("web"))) as wire:
        pages = ChatPage(browsers[0], daemon.address("web").port), ChatPage(browsers[1], wire.port)
        for page in pages:
            page.open(password="sesame")
        room = Room(daemon, home, tmux, pages)
        room.say()
        for event in (reload, restart, kill):
            event(daemon)
            room.say()
        room.await_all()
        wire.lose_replies()
        room.say(lost_by="second browser")
        wire.cut()
        room.await_all()
        pages[1].load("#lounge")
        room.await_all()
        _compare_marks(room)
    for browser in browsers:
        assert [line for line in browser.console() if "WebSocket connection" not in line] == []


def _has_read_all(page: ChatPage) -> bool:
    return page.count("#conversations .badge") == 0


def _compare_marks(room: Room) -> None:
    """Both browsers count what is unread, until it is read in one of them."""
    for page in room.pages:
        page.run("document.hasFocus = () => false; dispatchEvent(new Event('blur'))")
    room.mention()
    for page in room.pages:
        page.await_text("#conversations", "1\nfor you, 3 unread")
        assert page.run("return document.title") == "(1) #lounge"
    room.pages[0].run("delete document.hasFocus; dispatchEvent(new Event('focus'))")
    for page in room.pages:
        wait_until(partial(_has_read_all, page), "the mark")
        assert page.text("#new + .line .text") == "one"

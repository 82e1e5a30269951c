"""axe finds nothing wrong with any page of netd, and the pages leave no message on the console."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.listeners.chat.test_service import Irc
from tests.listeners.http.browser import Browser, chromium
from tests.listeners.http.http_client import write
from tests.programs import require, require_npm
from tests.support import Daemon, running_daemon, wait_until

CONFIG = """
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
routes = [
  {{ path = "/status", status = true }},
  {{ path = "/chat", chat = "lounge" }},
  {{ path = "/files", directory = "{directory}/www", listing = true }},
]
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
[listeners.new]
kind = "http"
address = "tcp://127.0.0.1:0"
"""
LOOKS = [(1280, "light"), (400, "dark")]


@pytest.fixture(scope="module")
def axe() -> str:
    require("chromium", "chromedriver")
    return require_npm("axe-core", "axe.min.js").read_text()


@pytest.fixture(scope="module")
def browser(axe: str) -> Iterator[Browser]:
    assert axe
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def daemon(axe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    assert axe
    directory = tmp_path_factory.mktemp("daemon")
    for number in range(1100):
        write(directory / "www" / "docs" / f"file {number}")
    with running_daemon(directory, CONFIG.format(directory=directory)) as started:
        yield started


def faults(browser: Browser, axe: str) -> list[Any]:
    """What axe finds in the page that is shown: the rule, and the elements that break it."""
    return list(
        browser.run_async(
            f"{axe}; axe.run(document).then(({{ violations }}) => done(violations.map("
            "({ id, nodes }) => [id, nodes.map(({ target, html }) => [target.join(' '), html])])))"
        )
    )


@pytest.mark.parametrize("path", ["status", "files/", "files/docs/?sort=size&page=2", "nothing"])
@pytest.mark.parametrize("look", LOOKS)
def test_a_page(
    browser: Browser, daemon: Daemon, axe: str, path: str, look: tuple[int, str]
) -> None:
    show(browser, look)
    browser.console()
    browser.visit(f"http://127.0.0.1:{daemon.address('web').port}/{path}")
    assert faults(browser, axe) == []
    console = browser.console()
    if path == "nothing":  # the browser reports errors, and looks for an icon
        console = [line for line in console if "404 (Not Found)" not in line]
    assert console == []


def show(browser: Browser, look: tuple[int, str]) -> None:
    width, scheme = look
    browser.resize(width, 800)
    browser.prefer(scheme)


def test_axe_finds_faults(browser: Browser, axe: str) -> None:
    browser.visit("data:text/html,<img src='data:,'><p style='color:%23ddd'>pale</p>")
    assert {"image-alt", "color-contrast"} <= {rule for rule, _ in faults(browser, axe)}


def test_the_page_of_a_listener_without_routes(browser: Browser, daemon: Daemon, axe: str) -> None:
    browser.visit(f"http://127.0.0.1:{daemon.address('new').port}/")
    assert faults(browser, axe) == []


@pytest.fixture(scope="module")
def chat(browser: Browser, daemon: Daemon) -> Iterator[Browser]:
    """The page of the chat, with a conversation of two members."""
    bert = Irc(daemon.connect("lounge")).register("bert").join()
    browser.visit(f"http://127.0.0.1:{daemon.address('web').port}/chat#lounge")
    browser.run(
        "document.querySelector('[name=nick]').value = 'anna';"
        "document.querySelector('#enter form').requestSubmit()"
    )
    await_text(browser, "#members", "bert")
    bert.send("PRIVMSG #lounge :a message to anna, see https://example.org/")
    bert.send("NOTICE #lounge :a notice", "PRIVMSG #lounge :\x01ACTION waves\x01")
    bert.send("PRIVMSG anna :between us")
    await_text(browser, "#conversations", "bert")
    yield browser
    bert.close()


def await_text(browser: Browser, selector: str, text: str) -> None:
    script = f"return document.querySelector({selector!r}).innerText"
    wait_until(lambda: text in browser.run(script), f"{text!r} in {selector}")


def test_the_entry_of_the_chat(browser: Browser, daemon: Daemon, axe: str) -> None:
    browser.visit(f"http://127.0.0.1:{daemon.address('web').port}/chat")
    assert faults(browser, axe) == []


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    "action",
    [
        "",
        "document.querySelector('#find').click()",  # the dialog to change the conversation
        "document.querySelector('#menu').click()",  # the lists, in a narrow window
        "document.querySelector('#who').click()",
        "document.querySelector('#log .message').focus()",  # shows what can be done with it
        (
            "document.querySelector('#log .message').focus();"
            "document.querySelector('.tools button').click()"
        ),  # a reply
        "document.querySelector('#conversations button').click()",  # the server
    ],
)
def test_the_chat(chat: Browser, axe: str, action: str, look: tuple[int, str]) -> None:
    show(chat, look)
    chat.run("document.querySelectorAll('#conversations button')[1].click()")
    await_text(chat, "#log", "waves")
    chat.run(action)
    assert faults(chat, axe) == []
    chat.run("document.querySelector('dialog').close(); document.body.dataset.open = ''")
    assert chat.console() == []

"""The status page, listings and media in a real Chromium."""

from __future__ import annotations

import re
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.listeners.http.browser import Browser, chromium
from tests.listeners.http.http_client import write
from tests.support import Daemon, running_daemon, wait_until

pytestmark = pytest.mark.needs("chromium", "chromedriver")

CONFIG = """
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
access_log = "{directory}/log"
routes = [
  {{path = "/status", status = true}},
  {{path = "/", directory = "{directory}/www", listing = true}},
]
[listeners.echo]
kind = "echo"
address = "tcp://127.0.0.1:0"
"""
SECONDS, RATE = 300, 16000


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("daemon")
    write(directory / "www" / "docs" / "read me.txt", "read")
    for number in range(12):
        write(directory / "www" / "many" / f"file {number}")
    write(directory / "www" / "player.html", '<audio src="sound.wav" preload="metadata"></audio>')
    with wave.open(str(directory / "www" / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        sound.writeframes(bytes(2 * RATE * SECONDS))
    with running_daemon(directory, CONFIG.format(directory=directory)) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def site(daemon: Daemon) -> str:
    return f"http://127.0.0.1:{daemon.address('web').port}"


def text(browser: Browser, cell: str) -> str:
    return str(browser.run(f"return document.querySelector('[data-cell=\"{cell}\"]').textContent"))


def test_the_status_page_updates_itself(browser: Browser, site: str, daemon: Daemon) -> None:
    browser.visit(f"{site}/status")
    assert text(browser, "state") == "serving"
    with daemon.connect("echo"):
        wait_until(lambda: text(browser, "echo/now") == "1", "the connection to be shown")
    wait_until(lambda: text(browser, "echo/now") == "0", "its end to be shown")
    wait_until(lambda: text(browser, "web/rate").endswith("/s"), "a rate")
    points = "return document.querySelector('polyline').getAttribute('points').split(' ').length"
    wait_until(lambda: browser.run(points) > 1, "a line")
    highest = "return document.querySelector('.maximum').textContent"
    assert re.fullmatch(r"max \S+/s", browser.run(highest))
    assert browser.run("return document.getElementById('note').textContent") == ""


def test_the_status_page_can_be_paused_by_the_keyboard(browser: Browser, site: str) -> None:
    browser.visit(f"{site}/status")
    browser.press("Tab", "Enter")
    pressed = "return document.querySelector('button').getAttribute('aria-pressed')"
    assert browser.run(pressed) == "true"
    browser.press("Space")
    assert browser.run(pressed) == "false"
    browser.press("Tab")
    labelled = "return document.activeElement.getAttribute('aria-labelledby')"
    assert browser.run(labelled) == "listeners"


def test_the_status_page_shows_that_it_is_not_up_to_date(
    browser: Browser, site: str, daemon: Daemon
) -> None:
    browser.visit(f"{site}/status")
    daemon.write(CONFIG.format(directory=daemon.directory).replace("status = true", 'text = ""'))
    assert not daemon.reload().error
    note = "return document.getElementById('note').textContent"
    wait_until(lambda: browser.run(note).startswith("not up to date"), "a note")
    assert text(browser, "reload") == ""
    daemon.write(CONFIG.format(directory=daemon.directory))
    assert not daemon.reload().error
    wait_until(lambda: browser.run(note) == "", "the note to go")
    wait_until(lambda: text(browser, "reload").startswith("Last reload taken, "), "the reload")


@pytest.mark.parametrize("page", ["/status", "/", "/many/"])
def test_a_page_fits_a_narrow_screen_and_a_dark_one(
    browser: Browser, site: str, page: str, tmp_path: Path
) -> None:
    background = "return getComputedStyle(document.documentElement).colorScheme"
    cut = """return [document.documentElement, ...document.querySelectorAll('.scroll')]
        .filter((part) => part.scrollWidth > part.clientWidth).length"""
    for width in (1280, 800, 400):
        browser.resize(width, 900)
        for scheme in ("light", "dark"):
            browser.prefer(scheme)
            browser.visit(site + page)
            assert browser.run(cut) == 0
            assert browser.run(background) in ("light dark", "normal")
            assert browser.run(f"return matchMedia('(prefers-color-scheme: {scheme})').matches")
            browser.save(tmp_path / f"{width}-{scheme}.png")


def tab_to(browser: Browser, text: str) -> None:
    """Press Tab until the element with this text has the focus."""
    focused = "return document.activeElement.textContent"
    for _ in range(20):
        browser.press("Tab")
        if browser.run(focused) == text:
            return
    pytest.fail(f"{text} does not get the focus")


def test_a_listing_is_usable_by_keyboard(browser: Browser, site: str) -> None:
    browser.visit(f"{site}/")
    tab_to(browser, "docs/")
    browser.press("Enter")
    wait_until(lambda: browser.run("return location.pathname") == "/docs/", "the directory")
    tab_to(browser, "read me.txt")
    browser.press("Enter")
    wait_until(lambda: browser.run("return location.pathname") == "/docs/read%20me.txt", "the file")
    assert browser.run("return document.body.textContent") == "read"


def test_a_listing_is_filtered_while_the_user_types(browser: Browser, site: str) -> None:
    shown = """return [...document.querySelectorAll('tbody tr:not([hidden])')]
        .map((row) => row.cells[0].innerText)"""
    browser.visit(f"{site}/many/")
    browser.run("document.querySelector('[type=search]').focus()")
    browser.type("FILE 1")
    assert browser.run(shown) == ["file 1", "file 10", "file 11"]
    assert browser.run("return document.querySelector('#count').textContent") == "3 of 12 names"
    browser.press("Enter")
    wait_until(lambda: "filter=FILE+1" in browser.run("return location.search"), "the form")
    assert browser.run(shown) == ["file 1", "file 10", "file 11"]
    browser.run("document.querySelector('thead a').click()")
    wait_until(lambda: "order=desc" in browser.run("return location.search"), "the order")
    assert browser.run(shown) == ["file 11", "file 10", "file 1"]
    assert [line for line in browser.console() if "favicon" not in line] == []


def test_a_media_player_seeks_by_ranges(browser: Browser, site: str, daemon: Daemon) -> None:
    browser.visit(f"{site}/player.html")
    player = "document.querySelector('audio')"
    wait_until(lambda: browser.run(f"return {player}.duration") == SECONDS, "the duration")
    browser.run(f"{player}.currentTime = {SECONDS - 2}")
    wait_until(
        lambda: browser.run(f"return !{player}.seeking && {player}.readyState >= 2"), "the place"
    )
    log = daemon.directory / "log"
    wait_until(lambda: log.read_text().count('/sound.wav HTTP/1.1" 206') > 1, "a second range")

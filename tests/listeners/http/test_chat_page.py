"""The page of a chat, as one file and in a real Chromium."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from netd.listeners.http.routes.chat_page import MANIFEST, assemble
from tests.listeners.chat.room.room_under_test import sasl_plain
from tests.listeners.chat.test_service import Irc
from tests.listeners.http.browser import Browser, chromium, one_at_a_time
from tests.listeners.http.chat_page import ChatPage
from tests.programs import require
from tests.support import Daemon, stop_process, wait_until

SOURCES = Path(__file__).parents[3] / "netd/listeners/http/routes/chat_page"
MAX_BYTES = 60 * 1024
CONFIG = """
[netd]

[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
server_name = "irc.test"
network = "Test"
poller = "epoll"
flood_rate = 0
replay_lines = 0
history_lines = 1000
history_file = "{directory}/chat.db"
registration = {}

[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
routes = [{ path = "/chat", chat = "lounge" }]
"""


def hash_of(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_page_is_one_small_file_that_its_policy_covers() -> None:
    page, policy = assemble()
    assert len(page.encode()) <= MAX_BYTES
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    [script] = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    assert f"style-src 'sha256-{hash_of(style)}'" in policy
    assert f"script-src 'sha256-{hash_of(script)}'" in policy
    assert not re.search(r"^(import|export)\b|/\*", script, re.MULTILINE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
    assert not re.search(r' (style|on\w+)="', page)
    urls = re.findall(r"https?://[\w.]+", page)
    assert set(urls) <= {"http://www.w3.org"}  # the name of SVG
    assert json.loads(MANIFEST)["display"] == "standalone"


def test_the_types_of_the_script(tmp_path: Path) -> None:
    require("tsc")
    command = [
        *(shutil.which("tsc") or "tsc", "--checkJs", "--allowJs", "--noEmit", "--strict"),
        *("--target", "es2022", "--module", "es2022", "--lib", "esnext,dom,dom.iterable"),
        *("--noUncheckedIndexedAccess", str(SOURCES / "main.js")),
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert not run.stdout
    assert run.returncode == 0


pytestmark_browser = pytest.mark.needs("chromium", "chromedriver")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        started.resize(1100, 700)
        yield started


class Visit(ChatPage):
    """The page, entered by anna, and others who are in the channel."""

    def __init__(self, browser: Browser, directory: Path, stack: ExitStack) -> None:
        self.stack = stack
        self.config = CONFIG.replace("{directory}", str(directory))
        self.daemon = Daemon(directory, self.config)
        stack.callback(self.daemon.stop)
        self.daemon.await_ready()
        super().__init__(browser, self.daemon.address("web").port)

    def plain(self, nick: str) -> Irc:
        client = Irc(self.daemon.connect("lounge"))
        self.stack.callback(client.close)
        return client.register(nick).join()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Visit]:
    with one_at_a_time(), ExitStack() as stack:
        made = Visit(browser, tmp_path, stack)
        browser.console()
        yield made
        noise = [line for line in browser.console() if "WebSocket connection" not in line]
        assert noise == []


@pytestmark_browser
def test_members_talk(visit: Visit) -> None:
    visit.open()
    bert = visit.plain("bert")
    visit.await_text("#members", "bert")
    bert.send("PRIVMSG #lounge :good morning, see https://example.org/a?b=1.")
    visit.await_text("#log", "good morning")
    link = "return document.querySelector('#log a').href"
    assert visit.run(link) == "https://example.org/a?b=1"
    visit.say("hello all")
    assert bert.expect("PRIVMSG").endswith("PRIVMSG #lounge :hello all")
    visit.await_text("#log", "hello all")
    wait_until(lambda: "sending" not in visit.text("#log"), "the echo")
    visit.say("/me waves")
    assert bert.expect("PRIVMSG").endswith(":\x01ACTION waves\x01")
    visit.say("first\nsecond")
    assert bert.expect("PRIVMSG").endswith(":first")
    assert bert.expect("PRIVMSG").endswith(":second")


@pytestmark_browser
def test_what_is_unread_is_counted(visit: Visit) -> None:
    visit.open()
    bert = visit.plain("bert")
    visit.await_text("#members", "bert")
    visit.say("/msg bert hi")
    bert.expect("PRIVMSG bert :hi")
    visit.await_text("#name", "bert")
    bert.send("PRIVMSG #lounge :one", "PRIVMSG #lounge :two for anna", "PRIVMSG anna :psst")
    visit.await_text("#log", "psst")
    label = "return document.querySelectorAll('#conversations button')[1].textContent"
    wait_until(lambda: visit.run(label) == "#lounge1 for you, 2 unread", "the count")
    assert visit.run("return document.title") == "(1) bert"
    visit.run("document.querySelectorAll('#conversations button')[1].click()")
    visit.await_text("#log", "two for anna")
    assert visit.text("#new + div .text") == "one"
    visit.await_text("#conversations", "Test\n#lounge\nbert", exact=True)


@pytestmark_browser
def test_texts_of_others_are_texts(visit: Visit) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    visit.open()
    bert = visit.plain("bert")
    bert.send(
        f"JOIN #{evil.replace(' ', '')}",
        f'PRIVMSG #lounge :{evil} https://x.example/"onmouseover=alert(3) javascript:alert(4)',
        f"PRIVMSG anna :{evil}",
        f"SETNAME :{evil}",
        f"AWAY :{evil}",
        f"INVITE anna #{evil.replace(' ', '')}",
        f"PART #lounge :{evil}",
        "CAP REQ :message-tags echo-message",
        "JOIN #lounge",
        "PRIVMSG #lounge :react to this",
    )
    tags, _ = bert.expect("react to this").split(" ", 1)
    msgid = tags.split("msgid=")[1].split(";")[0]
    reaction = evil.replace(" ", "\\s")
    bert.send(f"@+draft/react={reaction};+draft/reply={msgid} TAGMSG #lounge")
    visit.await_text("#log .reactions", "<img")
    visit.say("/whois bert")
    visit.await_text("#log", f"bert is {evil} (~bert@127.0.0.1)")
    visit.say("/search react")
    visit.await_text("#dialog", "found")
    visit.run("document.querySelector('#dialog .close').click()")
    visit.await_text("#log", "<script>alert(2)</script>")
    visit.await_text("#conversations", "bert")
    visit.say(f"/join #{evil.replace(' ', '')}")
    visit.await_text("#name", "#<img")
    bert.send(f"TOPIC #{evil.replace(' ', '')} :{evil}")
    visit.await_text("#topic", evil)
    assert visit.count("img, body script") == 1  # the page's own script
    links = visit.run("return [...document.querySelectorAll('a')].map((a) => a.href)")
    assert all(link.startswith("https://") for link in links)


@pytestmark_browser
def test_a_page_that_is_loaded_again_is_where_it_was(visit: Visit) -> None:
    visit.open()
    bert = visit.plain("bert")
    bert.send("PRIVMSG #lounge :before")
    visit.await_text("#log", "before")
    visit.run("document.querySelector('#box').focus()")
    visit.browser.type("half a li")
    bert.sync()
    visit.run("history.replaceState('', '', location.pathname)")
    for _ in range(2):
        visit.load()
        visit.await_text("#name", "#lounge")
        visit.await_text("#log", "before")
        visit.await_text("#members", "anna\nbert", exact=True)
    assert visit.run("return document.querySelector('#box').value") == "half a li"
    visit.say("here")
    bert.expect(":anna!~anna@127.0.0.1 PRIVMSG #lounge :here")
    assert not any(" JOIN " in line or " QUIT " in line for line in bert.sync())


@pytestmark_browser
def test_what_comes_while_nobody_looks_is_below_a_line(visit: Visit) -> None:
    visit.open()
    bert = visit.plain("bert")
    bert.send("PRIVMSG #lounge :seen")
    visit.await_text("#log", "seen")
    assert visit.count("#new") == 0
    visit.run("document.hasFocus = () => false; dispatchEvent(new Event('blur'))")
    bert.send("PRIVMSG #lounge :unseen", "PRIVMSG #lounge :unseen too")
    visit.await_text("#log", "unseen too")
    assert visit.text("#new + .line .text") == "unseen"
    visit.await_text("#conversations", "#lounge\n2\nunread")
    visit.run("delete document.hasFocus; dispatchEvent(new Event('focus'))")
    visit.await_text("#conversations", "Test\n#lounge", exact=True)
    assert visit.count("#new") == 1


@pytestmark_browser
def test_scrolling_back_keeps_its_place(visit: Visit) -> None:
    bert = visit.plain("bert")
    bert.send(*[f"PRIVMSG #lounge :line {number}" for number in range(400)])
    bert.sync()
    visit.open()
    visit.await_text("#log", "line 399")
    texts = "return [...document.querySelectorAll('.message .text')].map((e) => e.textContent)"
    top = (
        "return document.elementFromPoint(innerWidth / 2, 120).closest('.line')"
        ".querySelector('.text').textContent"
    )
    while (shown := visit.run(texts))[0] != "line 0":
        visit.run("document.querySelector('#scroll').scrollTop = 0")
        wait_until(lambda: visit.count(".message") > len(shown), "older lines")
        assert visit.run(top) in shown[:5]  # what was read stayed where it was
    assert shown == [f"line {number}" for number in range(400)]
    assert visit.run("return document.querySelectorAll('#log .date').length") == 1


@pytestmark_browser
def test_it_comes_back_with_what_was_missed(visit: Visit) -> None:
    visit.open()
    bert = visit.plain("bert")
    bert.send("PRIVMSG #lounge :before")
    visit.await_text("#log", "before")
    [pid] = visit.daemon.pids("lounge")
    os.kill(pid, signal.SIGKILL)
    carl = visit.plain("carl")
    carl.send("PRIVMSG #lounge :meanwhile")
    visit.await_text("#log", "meanwhile")
    visit.say("here again")
    assert carl.expect("PRIVMSG #lounge").endswith(":here again")
    assert visit.text("#log").count("before") == 1


@pytestmark_browser
def test_it_notices_no_reload_and_no_upgrade(visit: Visit) -> None:
    visit.open()
    bert = visit.plain("bert")
    visit.run(
        "window.states = []; new MutationObserver(() => states.push(document.body.dataset.state))"
        ".observe(document.body, {attributeFilter: ['data-state']})"
    )
    for number, poller in enumerate(("poll", "epoll")):
        visit.daemon.write(visit.config.replace('"epoll"', f'"{poller}"'))
        assert not visit.daemon.reload().error
        assert visit.daemon.netd("upgrade").returncode == 0
        bert.send(f"PRIVMSG #lounge :after {number}")
        visit.await_text("#log", f"after {number}")
        visit.say(f"and here {number}")
        assert bert.expect("PRIVMSG").endswith(f":and here {number}")
    assert visit.run("return window.states") == []


@pytestmark_browser
def test_a_first_visit_enters_the_only_channel(visit: Visit) -> None:
    visit.run("localStorage.clear()")
    visit.open(place="")
    visit.await_text("#name", "#lounge")
    assert visit.text("#me") == "anna"


@pytestmark_browser
def test_the_address_names_a_channel_with_and_without_escapes(visit: Visit) -> None:
    visit.open(place="#100%")
    visit.load("#caf%C3%A9")
    visit.await_text("#name", "#café")


@pytestmark_browser
def test_a_first_visit_shows_the_channel_that_all_join(visit: Visit) -> None:
    visit.daemon.write(visit.config.replace('network = "Test"', "join_channel = true"))
    assert not visit.daemon.reload().error
    visit.plain("bert").join("#other")
    visit.run("localStorage.clear()")
    visit.open(place="")
    visit.await_text("#name", "#lounge")


@pytestmark_browser
def test_a_first_visit_finds_the_channels(visit: Visit) -> None:
    visit.plain("bert").join("#other")
    visit.run("localStorage.clear()")
    visit.open(place="")
    visit.await_text("#log", "#lounge (1)")
    visit.await_text("#log", "#other (1)")
    visit.run("document.querySelector('#log .channel:not([hidden])').click()")
    visit.await_text("#name", "#lounge")
    visit.await_text("#members", "bert")


@pytestmark_browser
def test_search(visit: Visit) -> None:
    visit.open()
    bert = visit.plain("bert")
    bert.send("PRIVMSG #lounge :the needle", "PRIVMSG #lounge :a haystack")
    visit.await_text("#log", "a haystack")
    visit.say("/search needle")
    visit.await_text("#dialog", "1 found")
    assert "#lounge bert the needle" in visit.text("#dialog .found")
    visit.run("document.querySelector('#dialog .close').click()")


@pytestmark_browser
def test_an_account_is_made_and_used_on_two_devices(visit: Visit) -> None:
    visit.open(password="sesame-sesame", is_new=True)
    visit.run("document.querySelector('#conversations button').click()")
    visit.await_text("#log", "The account is registered")
    visit.run("document.querySelectorAll('#conversations button')[1].click()")
    other = Irc(visit.daemon.connect("lounge"))
    visit.stack.callback(other.close)
    other.send("CAP REQ :sasl draft/read-marker echo-message", "NICK anna", "USER a 0 * :a")
    other.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain('anna', 'sesame-sesame')}")
    other.send("CAP END")
    other.expect(" 001 anna ")
    bert = visit.plain("bert")
    other.send("PRIVMSG #lounge :from the other device")
    bert.expect("from the other device")
    visit.await_text("#log", "from the other device")
    visit.run("dispatchEvent(new Event('blur'))")
    visit.say("/msg bert hello")
    other.expect("PRIVMSG bert :hello")
    visit.load()
    visit.await_text("#log", "hello")
    visit.run("document.querySelectorAll('#conversations button')[1].click()")
    visit.await_text("#log", "from the other device")


@pytestmark_browser
def test_an_account_is_made_of_the_chosen_nick_only(visit: Visit) -> None:
    visit.plain("anna")
    visit.load("#lounge")
    visit.submit_form("anna", "sesame-sesame", is_new=True)
    visit.await_text("#status", "in use")
    visit.submit_form("berta", "sesame-sesame", is_new=True)
    visit.await_text("#me", "berta")


@pytestmark_browser
def test_one_can_leave_and_enter_again(visit: Visit) -> None:
    visit.open(password="sesame-sesame", is_new=True)
    visit.say("/quit")
    visit.await_text("#status", "bye")
    visit.submit_form("anna", "wrong")
    visit.await_text("#status", "SASL authentication failed")
    visit.submit_form("anna", "sesame-sesame")
    visit.await_text("#status", "", exact=True)
    visit.await_text("#members", "anna", exact=True)


@pytestmark_browser
def test_a_connection_that_is_silent_is_made_again(visit: Visit) -> None:
    visit.open()
    [pid] = visit.daemon.pids("lounge")
    stop_process(pid)
    visit.run("dispatchEvent(new Event('online'))")
    visit.await_text("#status", "no answer")
    os.kill(pid, signal.SIGCONT)
    visit.await_text("#status", "", exact=True)
    bert = visit.plain("bert")
    visit.say("back")
    assert bert.expect("PRIVMSG").endswith(":back")


@pytestmark_browser
def test_lines_that_cannot_be_sent_wait_for_the_user(visit: Visit) -> None:
    visit.open()
    visit.daemon.write(visit.config.replace('chat = "lounge"', 'text = "closed"'))
    assert not visit.daemon.reload().error
    [pid] = visit.daemon.pids("lounge")
    os.kill(pid, signal.SIGKILL)
    visit.await_text("#status", "No connection")
    visit.say("lost?")
    visit.await_text("#log", "Not sent: try again")
    visit.daemon.write(visit.config)
    assert not visit.daemon.reload().error
    visit.run("dispatchEvent(new Event('online'))")
    visit.await_text("#status", "", exact=True)
    bert = visit.plain("bert")
    visit.run("document.querySelector('#log .failed').click()")
    assert bert.expect("PRIVMSG").endswith(":lost?")
    wait_until(lambda: "Not sent" not in visit.text("#log"), "the line")


@pytestmark_browser
def test_the_keyboard_alone(visit: Visit) -> None:
    visit.open()
    bert = visit.plain("bernadette")
    visit.await_text("#members", "bernadette")
    visit.run("document.querySelector('#box').focus()")
    visit.browser.type("bern")
    visit.browser.press("Tab")
    visit.browser.type("hello")
    visit.browser.press("Enter")
    assert bert.expect("PRIVMSG").endswith(":bernadette: hello")
    visit.browser.press("Up")
    assert visit.run("return document.querySelector('#box').value") == "bernadette: hello"
    visit.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'k', ctrlKey: true}))")
    visit.browser.type("Berna")
    visit.browser.press("Enter")
    visit.await_text("#name", "bernadette")


@pytestmark_browser
def test_many_lines_are_sent_after_a_question(visit: Visit) -> None:
    visit.open()
    bert = visit.plain("bert")
    visit.say("\n".join(f"row {number}" for number in range(6)))
    visit.await_text("#dialog", "Send 6 lines to #lounge?")
    visit.run("document.querySelector('#dialog button').click()")
    assert bert.expect("PRIVMSG").endswith(":row 0")
    assert bert.expect("row 5")


@pytestmark_browser
def test_replies_reactions_and_deletion(visit: Visit) -> None:
    visit.open()
    bert = visit.plain("bert")
    bert.send("CAP REQ :message-tags draft/message-redaction")
    bert.send("PRIVMSG #lounge :a question")
    visit.await_text("#log", "a question")
    visit.use_tool("#log .message", 0)
    visit.await_text("#replied", "Reply to bert: a question")
    visit.say("an answer")
    assert "+draft/reply=" in bert.expect(":an answer")
    visit.await_text("#log .quote", "bert: a question")
    visit.use_tool("#log .message", 1)
    visit.run("document.querySelector('#dialog .choices button').click()")
    assert "+draft/react=👍" in bert.expect("TAGMSG")
    visit.await_text("#log .reactions", "👍 1")
    visit.run("document.querySelector('#log .reactions button').click()")
    assert "+draft/unreact=👍" in bert.expect("TAGMSG")
    wait_until(lambda: visit.count("#log .reactions") == 0, "the end of the reaction")
    visit.use_tool("#log .own", 2)
    visit.run("document.querySelector('#dialog pre + button').click()")
    bert.expect("REDACT")
    visit.await_text("#log .own", "deleted")


@pytestmark_browser
@pytest.mark.parametrize("width", [400, 800, 1100])
def test_nothing_is_wider_than_the_window(visit: Visit, width: int) -> None:
    visit.browser.resize(width, 700)
    visit.open()
    visit.plain("bert").send(f"PRIVMSG #lounge :{'w' * 380}")
    visit.await_text("#log", "www")
    size = "return [document.documentElement.scrollWidth, innerWidth]"
    content, window = visit.run(size)
    assert content <= window
    scroll = "const s = document.querySelector('#scroll'); return s.scrollWidth - s.clientWidth"
    assert visit.run(scroll) <= 0
    visit.browser.resize(1100, 700)

"""The full-screen view of netd-chat in tmux, as a person sees it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.conftest import COMMAND, LOUNGE
from tests.client.observer import Observer
from tests.client.tmux import Tmux
from tests.conftest import StartDaemon
from tests.support import Daemon, wait_until

pytestmark = pytest.mark.needs("tmux")
Start = Callable[..., None]
INPUT, STATUS, TITLE = -1, -2, 0


@pytest.fixture
def start(tmux: Tmux, lounge: Daemon) -> Start:
    """Start netd-chat and wait until it has joined."""

    def start(*arguments: str, **environ: str) -> None:
        variables = [f"{name}={value}" for name, value in environ.items()]
        address = str(lounge.address("lounge"))
        tmux.start("chat", "env", *variables, *COMMAND, address, "--name", "bob", *arguments)
        tmux.await_text("chat", "here: ")

    return start


def test_a_window_has_bars_and_the_input(tmux: Tmux, start: Start) -> None:
    start()
    tmux.await_row("chat", " #lounge 1", TITLE)
    wait_until(lambda: tmux.rows("chat")[STATUS].split()[1:] == ["bob", "2:#lounge"], "the bar")
    rows = tmux.rows("chat")
    assert len(rows) == 24
    assert rows[TITLE].strip() == "#lounge 1"
    assert rows[INPUT].strip() == "[#lounge]"


def test_a_private_message_is_answered_in_its_own_window(
    tmux: Tmux, start: Start, lounge: Daemon
) -> None:
    with Observer(lounge.address("lounge")) as ear:
        start()
        ear.send("PRIVMSG", "bob", "psst")
        tmux.await_text("chat", "2:#lounge  |  3:ear 1")
        assert "psst" not in "\n".join(tmux.rows("chat"))
        tmux.press("chat", "M-a")
        tmux.await_row("chat", "[ear]", INPUT)
        tmux.await_text("chat", "<ear> psst")
        tmux.type("chat", "who else knows?")
        assert ear.await_message("PRIVMSG").params == ("ear", "who else knows?")
        tmux.press("chat", "C-p")
        tmux.await_row("chat", "[#lounge]", INPUT)
        tmux.press("chat", "M-3")
        tmux.await_row("chat", "[ear]", INPUT)
        tmux.type("chat", "/close")
        tmux.await_row("chat", "[#lounge]", INPUT)


def test_pages_of_lines_are_scrolled_and_new_ones_counted(
    tmux: Tmux, start: Start, lounge: Daemon
) -> None:
    with Observer(lounge.address("lounge")) as ear:
        start()
        for number in range(40):
            ear.say(f"line {number}.")
        tmux.await_row("chat", "", 0)
        tmux.await_text("chat", "line 39.")
        tmux.press("chat", "PPage")
        tmux.await_text("chat", "more below")
        assert "line 39." not in tmux.screen("chat")
        ear.say("one more")
        tmux.await_text("chat", "20 more below")
        tmux.press("chat", "NPage", "NPage")
        tmux.await_text("chat", "one more")
        tmux.press("chat", "M-m")
        tmux.await_text("chat", "the mouse wheel scrolls")
        tmux.keys("chat", "\x1b[<64;5;5M")
        tmux.await_text("chat", " more below")
        tmux.keys("chat", "\x1b[<65;5;5M")
        wait_until(lambda: "more below" not in tmux.screen("chat"), "the last line")
        tmux.press("chat", "PPage")
        tmux.await_text("chat", " more below")
        tmux.type("chat", "/lastlog line 12.")
        tmux.await_text("chat", "1 line with 'line 12.'")


@pytest.mark.parametrize(("columns", "rows"), [(40, 10), (160, 50), (80, 24)])
def test_the_view_fits_any_size_while_a_line_is_typed(
    tmux: Tmux, start: Start, lounge: Daemon, columns: int, rows: int
) -> None:
    with Observer(lounge.address("lounge")) as ear:
        start()
        tmux.keys("chat", "half a li")
        tmux.await_row("chat", "[#lounge] half a li", INPUT)
        tmux.resize(columns, rows)
        ear.say("a text that is wider than forty columns are, by far")
        tmux.await_row("chat", "[#lounge] half a li", INPUT)
        tmux.await_row("chat", " #lounge 2", TITLE)

        def is_drawn() -> bool:
            shown = tmux.rows("chat")
            has_names = "|bob" in "\n".join(shown)
            inputs = sum("half a li" in row for row in shown)
            return (len(shown), has_names, inputs) == (rows, columns >= 100, 1)

        wait_until(is_drawn, "the whole view")
        tmux.type("chat", "ne")
        assert ear.hear(1) == ["half a line"]


def test_pasted_lines_are_asked_about(tmux: Tmux, start: Start, lounge: Daemon) -> None:
    with Observer(lounge.address("lounge")) as ear:
        start()
        tmux.paste("chat", "one\n/quit\n")
        tmux.await_row("chat", "2 lines to #lounge in 1 message: send, edit, drop?", INPUT)
        tmux.keys("chat", "d")
        tmux.await_row("chat", "[#lounge]", INPUT)
        tmux.paste("chat", "one\n/quit\n")
        tmux.await_row("chat", "2 lines", INPUT)
        tmux.keys("chat", "s")
        assert ear.hear(2) == ["one", "/quit"]
        tmux.paste("chat", "only one\n")
        tmux.type("chat", "!")
        assert ear.hear(1) == ["only one!"]


def test_lines_that_wait_are_shown_and_leaving_asks(tmux: Tmux, own_lounge: Daemon) -> None:
    tmux.start("chat", *COMMAND, str(own_lounge.address("lounge")), "--name", "bob")
    tmux.await_text("chat", "here: ")
    tmux.paste("chat", "\n".join(f"line {number}" for number in range(300)))
    tmux.await_row("chat", "300 lines to #lounge in 3 messages, ", INPUT)
    tmux.keys("chat", "s")
    tmux.await_text("chat", "lines to send")
    tmux.type("chat", "/exit")
    tmux.await_text("chat", "lines are not sent yet: leave, wait until sent, stay?")
    tmux.keys("chat", "s")
    tmux.await_row("chat", "[#lounge]", INPUT)
    tmux.type("chat", "/cancel")
    tmux.await_text("chat", "lines will not be sent")


def test_typed_lines_and_conversations_are_kept_for_the_next_run(
    tmux: Tmux, start: Start, lounge: Daemon, home: Path
) -> None:
    with Observer(lounge.address("lounge")):
        start()
        tmux.type("chat", "/query ear remember me")
        tmux.await_text("chat", "<bob> remember me")
        tmux.type("chat", "/msg NickServ identify hunter2")
        tmux.type("chat", "/quit")
        kept = home / "state" / "netd" / "chat" / "input-history"
        wait_until(lambda: list(kept.parent.glob("*.json")), "the end of the first run")
        tmux.start("second", *COMMAND, str(lounge.address("lounge")), "--name", "bob")
        tmux.await_text("second", "here: ")
        wait_until(lambda: oldest_line(tmux) == "/query ear remember me", "the oldest typed line")
        assert "hunter2" not in kept.read_text()
        tmux.press("second", "C-u", "M-3")
        tmux.await_row("second", "[ear]", INPUT)


def oldest_line(tmux: Tmux) -> str:
    """Recall the oldest typed line; the file of these lines is read while the chat starts."""
    tmux.press("second", "Up", "Up")
    return tmux.rows("second")[INPUT].removeprefix("[#lounge]").strip()


def test_hostile_and_wide_text_does_not_break_the_view(
    tmux: Tmux, start: Start, lounge: Daemon
) -> None:
    with Observer(lounge.address("lounge")) as ear:
        start()
        tmux.resize(100, 24)
        tmux.await_text("chat", "|bob")
        for text in (
            "\x1b[2J\x1b]0;owned\x07\x9bend \u202eabc",
            "你好" * 60,
            "👨\u200d👩\u200d👧 ❤\ufe0f 👍🏽 emoji",
            "z" + "\u0301" * 200 + "algo",
            "שלום עולם مرحبا",
            "x" * 300,
        ):
            ear.say(text)
        ear.say("the end")
        tmux.await_text("chat", "the end")
        rows = tmux.rows("chat")
        assert rows[TITLE].strip() == "#lounge 2"
        assert all(len(row) <= 100 for row in rows)
        assert "␛[2J␛]0;owned␇" in "\n".join(rows)
        names = [row for row in rows if row.rstrip().endswith(("|bob", "|ear"))]
        assert len(names) == 2


def test_the_locale_c_and_no_colours(tmux: Tmux, start: Start, lounge: Daemon) -> None:
    with Observer(lounge.address("lounge")) as ear:
        start(LC_ALL="C", LANG="C", NO_COLOR="1")
        ear.say("bob: ü 你")
        tmux.await_text("chat", "bob: ü 你")


def test_a_log_is_written_on_request(tmux: Tmux, start: Start, lounge: Daemon, home: Path) -> None:
    (home / "netd").mkdir()
    (home / "netd" / "chat.toml").write_text("log = true\n")
    with Observer(lounge.address("lounge")) as ear:
        start()
        ear.say("for the record")
        tmux.await_text("chat", "for the record")
    logs = home / "state" / "netd" / "chat" / "logs"
    wait_until(lambda: [*logs.glob("*/#lounge.log")], "the log")
    (path,) = logs.glob("*/#lounge.log")
    wait_until(lambda: "<ear> for the record\n" in path.read_text(), "the line")
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_leaving_restores_the_terminal_and_says_what_was_not_sent(
    tmux: Tmux, own_lounge: Daemon
) -> None:
    address = str(own_lounge.address("lounge"))
    shell = f"{' '.join(map(repr, COMMAND))} {address} --name bob; echo status $?; cat"
    tmux.start("chat", "sh", "-c", shell)
    tmux.await_text("chat", "here: ")
    own_lounge.process.terminate()
    tmux.await_text("chat", "trying again")
    tmux.type("chat", "too late")
    tmux.await_text("chat", "1 line to send")
    tmux.press("chat", "C-d")
    tmux.await_row("chat", "1 line is not sent yet", INPUT)
    tmux.keys("chat", "l")
    tmux.await_text("chat", "not delivered: 'too late'")
    tmux.await_text("chat", "status 0")
    assert "[#lounge]" not in tmux.screen("chat")


def test_two_devices_of_an_account_agree(tmux: Tmux, start_daemon: StartDaemon, home: Path) -> None:
    account = '[[listeners.lounge.accounts]]\nname = "bob"\npassword = "secret"\n'
    address = start_daemon(LOUNGE + account).address("lounge")
    (home / "password").write_text("secret")
    options = ("--name", "bob", "--password-file", str(home / "password"))
    with Observer(address) as ear:
        for device in ("desk", "phone"):
            tmux.start(device, *COMMAND, str(address), *options)
            tmux.await_row(device, "[#lounge]", INPUT)
            tmux.await_text(device, "here: ")
        tmux.type("phone", "on my way")
        assert ear.hear(1) == ["on my way"]
        tmux.await_text("desk", "<bob> on my way")
        ear.send("PRIVMSG", "bob", "psst")
        for device in ("desk", "phone"):
            tmux.await_text(device, "3:ear 1")
        tmux.press("phone", "M-a")
        tmux.await_text("phone", "<ear> psst")
        wait_until(lambda: "3:ear 1" not in tmux.screen("desk"), "the mark of the phone")
        tmux.type("phone", "/quit")
        tmux.type("desk", "still here")
        assert ear.hear(1) == ["still here"]


def test_a_device_without_memory_shows_what_is_unread(
    tmux: Tmux, start_daemon: StartDaemon, home: Path, tmp_path: Path
) -> None:
    accounts = "".join(
        f'[[listeners.lounge.accounts]]\nname = "{name}"\npassword = "secret"\n'
        for name in ("ann", "bob")
    )
    keeps = f'history_file = "{tmp_path}/lounge.db"\n'
    address = start_daemon(LOUNGE + keeps + accounts).address("lounge")
    (home / "password").write_text("secret")
    options = (str(address), "--password-file", str(home / "password"))
    tmux.start("first", *COMMAND, *options, "--name", "bob")
    tmux.await_text("first", "here: ")
    tmux.start("ann", *COMMAND, *options, "--name", "ann", "--plain")
    tmux.await_text("ann", "2 here: ")
    tmux.type("ann", "the harvest is in")
    tmux.await_text("first", "<ann> the harvest is in")
    tmux.type("first", "/quit")
    tmux.await_text("ann", "bob has quit")
    tmux.type("ann", "/msg bob call me")
    tmux.await_text("ann", "[to bob] <ann> call me")
    elsewhere = f"XDG_STATE_HOME={home / 'elsewhere'}"
    tmux.start("second", "env", elsewhere, *COMMAND, *options, "--name", "bob")
    tmux.await_text("second", "3:ann 1")
    tmux.type("second", "/search harvest")
    tmux.await_text("second", "1 message found")
    tmux.press("second", "M-a")
    tmux.await_text("second", "<ann> call me")

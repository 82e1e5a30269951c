"""Two people with five clients: every line reaches each client once, in order, whatever happens.

Anna has netd-chat, irssi and a raw client; Bob has weechat and a raw client, which is away for most
of the time. The daemon is reloaded and restarted, and its worker is killed.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from netd.config.address import Address
from tests.client.conftest import COMMAND
from tests.client.tmux import Tmux
from tests.conftest import StartManaged
from tests.listeners.chat.test_service import Irc
from tests.played_systemd import ManagedDaemon
from tests.support import wait_until

CONFIG: Final = """[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
server_name = "irc.test"
flood_rate = 0
replay_lines = 0
history_file = "{directory}/lounge.db"

[[listeners.lounge.accounts]]
name = "anna"
password = "sesame"

[[listeners.lounge.accounts]]
name = "bob"
password = "simsim"
"""
IRSSI: Final = """servers = (
  {{ address = "{host}"; chatnet = "net"; port = "{port}"; autoconnect = "yes"; }}
);
chatnets = {{ net = {{
  type = "IRC"; nick = "anna";
  sasl_mechanism = "PLAIN"; sasl_username = "anna"; sasl_password = "sesame";
}}; }};
channels = ( {{ name = "#lounge"; chatnet = "net"; autojoin = "yes"; }} );
settings = {{
  core = {{ server_reconnect_time = "1s"; }};
  "irc/core" = {{ cmds_max_at_once = "50"; }};
  "fe-common/core" = {{ autolog = "yes"; autolog_path = "{log}"; }};
}};
"""
_LINE: Final = re.compile(r"\bline (\d+)\b")

pytestmark = pytest.mark.needs("tmux", "irssi", "weechat-headless")


class Raw(Irc):
    """A client that a test types into."""

    def log_in(self, account: str, password: str) -> None:
        """Register as an account's client, with what is needed to see history."""
        caps = "sasl server-time message-tags batch draft/chathistory echo-message"
        credentials = base64.b64encode(f"\0{account}\0{password}".encode()).decode()
        self.send(f"CAP REQ :{caps}", f"NICK {account}", f"USER {account} 0 * :x")
        self.send("AUTHENTICATE PLAIN")
        self.expect("AUTHENTICATE +")
        self.send(f"AUTHENTICATE {credentials}")
        self.expect(" 903 ")
        self.send("CAP END")
        self.expect(" 001 ")

    def numbers(self, last: int) -> list[int]:
        """The numbers of the lines that come, until the last one."""
        found: list[int] = []
        while last not in found:
            if match := _LINE.search(self.expect(" PRIVMSG #lounge ")):
                found.append(int(match[1]))
        return found


class Programs:
    """Anna's netd-chat and irssi, and Bob's weechat; each shows or logs what it gets."""

    def __init__(self, directory: Path, tmux: Tmux, address: Address) -> None:
        self._directory = directory
        self._tmux = tmux
        (directory / "irssi").mkdir()
        config = IRSSI.format(host=address.host, port=address.port, log=directory / "irssi.log")
        (directory / "irssi" / "config").write_text(config)
        password = directory / "anna"
        password.write_text("sesame\n")
        command = ("--plain", str(address), "--name", "anna", "--password-file", str(password))
        tmux.start("chat", *COMMAND, *command)
        tmux.start("irssi", "irssi", f"--home={directory / 'irssi'}")
        self._weechat = subprocess.Popen(
            [
                *("weechat-headless", "--dir", str(directory / "weechat")),
                *("-r", "/set logger.file.flush_delay 0"),
                *("-r", f"/server add net {address.host}/{address.port} -autojoin=#lounge"),
                *("-r", "/set irc.server.net.nicks bob"),
                *("-r", "/set irc.server.net.autoreconnect_delay 1"),
                *("-r", "/set irc.server.net.sasl_username bob"),
                *("-r", "/set irc.server.net.sasl_password simsim"),
                *("-r", "/connect net"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def close(self) -> None:
        """End weechat; tmux ends the others."""
        self._weechat.kill()
        self._weechat.wait()

    def texts(self) -> dict[str, str]:
        """What each program has shown or logged."""
        paths = {
            "irssi": self._directory / "irssi.log",
            "weechat": self._directory / "weechat/logs/irc.net.#lounge.weechatlog",
        }
        found = {
            name: path.read_text(errors="replace") if path.exists() else ""
            for name, path in paths.items()
        }
        return {"netd-chat": self._tmux.screen("chat"), **found}

    def numbers(self) -> dict[str, list[int]]:
        """The numbers of the lines that each program has shown."""
        return {name: [*map(int, _LINE.findall(text))] for name, text in self.texts().items()}


@pytest.fixture
def daemon(start_managed: StartManaged, tmp_path: Path) -> ManagedDaemon:
    return start_managed(CONFIG.format(directory=tmp_path))


@contextlib.contextmanager
def raw(daemon: ManagedDaemon, account: str, password: str) -> Iterator[Raw]:
    with contextlib.closing(Raw(daemon.connect("lounge"))) as client:
        client.log_in(account, password)
        yield client


def test_each_line_reaches_every_client_once(daemon: ManagedDaemon, tmux: Tmux, home: Path) -> None:
    address = daemon.address("lounge")
    with contextlib.ExitStack() as stack:
        programs = stack.enter_context(contextlib.closing(Programs(home, tmux, address)))
        anna = stack.enter_context(raw(daemon, "anna", "sesame"))
        anna.join("#lounge")
        with raw(daemon, "bob", "simsim") as away:
            away.join("#lounge")
            wait_until(lambda: _is_here(programs), "all programs to be there")
            anna.send("PRIVMSG #lounge :line 0")
            last_seen = _msgid(away.expect("line 0"))
        wait_until(lambda: all(0 in n for n in programs.numbers().values()), "the first line")

        said = 1
        for event in (reload, restart, reload, restart):
            said = _say(anna, said)
            event(daemon)
            said = _say(anna, said)
        anna.numbers(said - 1)
        wait_until(lambda: _have_all(programs, said), "all lines before the kill")
        wait_until(lambda: _stored(home) == said, "the history file")  # a thread writes it
        kill(daemon)
        with raw(daemon, "anna", "sesame") as anna_again:
            said = _say(anna_again, said)
            wait_until(lambda: _have_all(programs, said), "all lines after the kill")
            for name, numbers in programs.numbers().items():
                assert numbers == [*range(said)], f"{name}: {programs.texts()[name]}"
            with raw(daemon, "bob", "simsim") as bob:
                bob.send(f"CHATHISTORY AFTER #lounge msgid={last_seen} 100")
                assert bob.numbers(said - 1) == [*range(1, said)]


def _is_here(programs: Programs) -> bool:
    texts = programs.texts()
    return "here:" in texts["netd-chat"] and all(texts.values())


def _msgid(line: str) -> str:
    found = re.search(r"msgid=([^;\s]+)", line)
    assert found
    return found[1]


def _say(anna: Raw, first: int) -> int:
    """Say ten lines; returns the next number."""
    anna.send(*(f"PRIVMSG #lounge :line {number}" for number in range(first, first + 10)))
    return first + 10


def _have_all(programs: Programs, said: int) -> bool:
    return all(len(set(numbers)) >= said for numbers in programs.numbers().values())


def _stored(directory: Path) -> int:
    """How many lines the history file has."""
    with contextlib.closing(sqlite3.connect(directory / "lounge.db")) as database:
        [count] = database.execute("SELECT count(*) FROM message WHERE text LIKE 'line %'")
        return int(count[0])


def reload(daemon: ManagedDaemon) -> None:
    """Reload an unchanged configuration."""
    assert daemon.reload().error == ""


def restart(daemon: ManagedDaemon) -> None:
    """Restart the daemon, as systemd does."""
    daemon.systemd.restart()


def kill(daemon: ManagedDaemon) -> None:
    """Kill the chat worker, and wait for another one."""
    [pid] = daemon.pids("lounge")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: daemon.pids("lounge") not in ([pid], []), "another worker")

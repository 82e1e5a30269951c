"""netd-chat, irssi, nc and a pipe in one channel: through a reload, a flood and a crash.

No step sleeps: it waits until a client shows the expected text.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from netd.config.address import Address
from tests.client.conftest import COMMAND
from tests.client.observer import Observer
from tests.client.tmux import Tmux
from tests.conftest import StartDaemon
from tests.support import PATIENCE_S, Daemon, connect, read_all, wait_until

CONFIG = """[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
server_name = "irc.test"
history_file = "{directory}/lounge.db"
max_receive_queue = "16KiB"
"""
IRSSI = """servers = (
  {{ address = "{host}"; chatnet = "net"; port = "{port}"; autoconnect = "yes"; }}
);
chatnets = {{ net = {{ type = "IRC"; nick = "irene"; }}; }};
settings = {{
  core = {{ server_reconnect_time = "1s"; }};
  "irc/core" = {{ cmds_max_at_once = "50"; }};
}};
"""

pytestmark = pytest.mark.needs("tmux", "irssi", "nc")


class Netcat:
    """An nc into which IRC lines are typed."""

    def __init__(self, address: Address, nick: str) -> None:
        command = ["nc", address.host, str(address.port)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.type(f"NICK {nick}", f"USER {nick} 0 * :{nick}", "JOIN #lounge")
        self.read("End of /NAMES")

    def type(self, *lines: str) -> None:
        assert self._process.stdin is not None
        for line in lines:
            print(line, file=self._process.stdin, flush=True)

    def read(self, text: str) -> str:
        """The next line with this text in it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if text in line:
                return line.rstrip("\n")
        raise AssertionError(f"nc ended before {text!r}")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def pipe(address: Address) -> Iterator[subprocess.Popen[str]]:
    """`... | netd-chat --name logbot`."""
    command = [*COMMAND, str(address), "--name", "logbot"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as bot:
        yield bot
        assert bot.stdin is not None
        bot.stdin.close()
        assert bot.wait(PATIENCE_S) == 0


class Clients:
    """All clients in the channel; `talk` sends a message from every one of them."""

    def __init__(self, tmux: Tmux, daemon: Daemon, nc: Netcat, bot: subprocess.Popen[str]) -> None:
        self.tmux, self.daemon, self.nc, self.bot = tmux, daemon, nc, bot

    def talk(self, when: str) -> None:
        assert self.bot.stdin is not None
        self.tmux.type("chat", f"typed {when}")
        self.nc.read(f"PRIVMSG #lounge :typed {when}")
        self.tmux.await_text("irssi", f"alice> typed {when}")
        self.tmux.type("irssi", f"from irssi {when}")
        self.nc.read(f"PRIVMSG #lounge :from irssi {when}")
        self.tmux.await_text("chat", f"<irene> from irssi {when}")
        self.nc.type(f"PRIVMSG #lounge :from nc {when}")
        for window in ("chat", "irssi"):
            self.tmux.await_text(window, f"from nc {when}")
        print(f"logged {when}", file=self.bot.stdin, flush=True)
        self.nc.read(f"PRIVMSG #lounge :logged {when}")
        for window in ("chat", "irssi"):
            self.tmux.await_text(window, f"logged {when}")

    def reload(self, text: str) -> None:
        self.daemon.write(text)
        self.daemon.process.send_signal(signal.SIGHUP)
        self.nc.type("MOTD")
        while "- anew" not in self.nc.read(" 372 "):
            self.nc.type("MOTD")

    def flood(self) -> None:
        """A client floods the channel until the server disconnects it."""
        with connect(self.daemon.address("lounge")) as flooder:
            hello = b"NICK flooder\r\nUSER f 0 * :f\r\nJOIN #lounge\r\n"
            flooder.sendall(hello + b"PRIVMSG #lounge :a flood of words\r\n" * 1000)
            assert b"Excess flood" in read_all(flooder)
        self.nc.read("QUIT :Excess flood")

    def crash(self) -> None:
        [pid] = self.daemon.pids("lounge")
        os.kill(pid, signal.SIGKILL)
        self.nc.close()  # nc itself may continue to wait for input


def test_clients_survive_a_reload_a_flood_and_a_crash(
    tmux: Tmux, start_daemon: StartDaemon, tmp_path: Path
) -> None:
    text = CONFIG.format(directory=tmp_path)
    daemon = start_daemon(text)
    address = daemon.address("lounge")
    irssi_home = tmp_path / "irssi"
    irssi_home.mkdir()
    (irssi_home / "config").write_text(IRSSI.format(host=address.host, port=address.port))
    with ExitStack() as stack:
        tmux.start("chat", *COMMAND, str(address), "--name", "alice", "--plain")
        tmux.await_text("chat", "here: alice")
        tmux.start("irssi", "irssi", f"--home={irssi_home}")
        tmux.await_text("irssi", "Welcome")
        tmux.type("irssi", "/join #lounge")
        tmux.await_text("chat", "irene has joined")
        clients = Clients(tmux, daemon, Netcat(address, "nc"), stack.enter_context(pipe(address)))
        stack.callback(lambda: clients.nc.close())  # noqa: PLW0108 (`nc` is replaced after the crash)
        clients.talk("at first")

        clients.reload(text + 'motd = "anew"\nflood_rate = 3.0\n')
        clients.talk("after the reload")

        tmux.keys("chat", "half a li")
        tmux.await_text("chat", "]> half a li")
        clients.flood()
        tmux.await_text("chat", "flooder has quit (Excess flood)")
        tmux.type("chat", "ne")
        clients.nc.read("PRIVMSG #lounge :half a line")
        clients.talk("after the flood")

        clients.crash()
        with Observer(address) as observer:
            observer.say("said while you were away")
            print("logged meanwhile", file=clients.bot.stdin, flush=True)
            wait_until(
                lambda: {"alice", "irene", "logbot"} <= observer.names(), "all clients to return"
            )
            tmux.await_text("chat", "said while you were away")
            clients.nc = Netcat(address, "nc")
        clients.talk("after the crash")
        screen = tmux.screen("chat")
        assert screen.count("said while you were away") == 1
        assert screen.count("logged meanwhile") == 1
        assert screen.count("from nc at first") == 1
        assert daemon.pids("lounge")

"""Accounts as users of irssi and WeeChat have them: NickServ, and SASL (irssi 1.4 has no SCRAM)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netd.config.address import Address
from tests.client.tmux import Tmux
from tests.conftest import StartDaemon
from tests.support import wait_until

CONFIG = """[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
server_name = "irc.test"
history_file = "{directory}/lounge.db"
registration = {{ }}
"""
PASSWORD = "sesame-open"
IRSSI = """servers = (
  {{ address = "{host}"; chatnet = "net"; port = "{port}"; autoconnect = "yes"; }}
);
chatnets = {{ net = {{ type = "IRC"; nick = "irene"; {sasl} }}; }};
"""
SASL = f"""sasl_mechanism = "PLAIN"; sasl_username = "irene"; sasl_password = "{PASSWORD}";"""
WEECHAT = (
    "/set logger.file.flush_delay 0",
    "/server add net {host}/{port} -nicks=irene",
    "/set irc.server.net.sasl_mechanism {mechanism}",
    "/set irc.server.net.sasl_username irene",
    f"/set irc.server.net.sasl_password {PASSWORD}",
    "/connect net",
)


@pytest.fixture
def address(start_daemon: StartDaemon, tmp_path: Path) -> Address:
    return start_daemon(CONFIG.format(directory=tmp_path)).address("lounge")


def start_irssi(tmux: Tmux, address: Address, directory: Path, window: str, sasl: str = "") -> None:
    home = directory / window
    home.mkdir()
    text = IRSSI.format(host=address.host, port=address.port, sasl=sasl)
    (home / "config").write_text(text)
    tmux.start(window, "irssi", f"--home={home}")


def register(tmux: Tmux, address: Address, directory: Path) -> None:
    """Register the account irene in irssi, by NickServ, and leave."""
    start_irssi(tmux, address, directory, "first")
    tmux.await_text("first", "End of /MOTD")
    tmux.type("first", f"/msg NickServ REGISTER {PASSWORD}")
    tmux.await_text("first", "You are now logged in as irene")  # in the first window
    tmux.type("first", "/quit")


@pytest.mark.needs("tmux", "irssi")
def test_irssi_registers_by_nickserv_and_logs_in(
    tmux: Tmux, address: Address, tmp_path: Path
) -> None:
    register(tmux, address, tmp_path)
    start_irssi(tmux, address, tmp_path, "second", SASL)
    tmux.await_text("second", "[irene(")  # the nick that is reserved for the account
    tmux.type("second", "/query NickServ")
    tmux.type("second", "info")
    tmux.await_text("second", "irene was registered")


@pytest.mark.needs("tmux", "irssi", "weechat-headless")
@pytest.mark.parametrize("mechanism", ["scram-sha-256", "plain"])
def test_weechat_logs_in(tmux: Tmux, address: Address, tmp_path: Path, mechanism: str) -> None:
    register(tmux, address, tmp_path)
    home = tmp_path / "weechat"
    options = [
        word
        for line in WEECHAT
        for word in ("-r", line.format(host=address.host, port=address.port, mechanism=mechanism))
    ]
    log = home / "logs" / "irc.server.net.weechatlog"
    command = ["weechat-headless", "--dir", str(home), *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as weechat:
        try:
            wait_until(log.exists, "the log")
            wait_until(lambda: "logged in as irene" in log.read_text(), "the login")
        finally:
            weechat.kill()

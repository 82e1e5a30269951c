"""netd-chat with ngircd, a server without echo-message."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.config.address import Address, Scheme
from tests.client.conftest import Run
from tests.client.observer import Observer
from tests.programs import find
from tests.support import PATIENCE_S, find_free_port, wait_until

NGIRCD = find("ngircd")
CONFIG = """
[Global]
Name = irc.example.net
Info = a test
Listen = 127.0.0.1
Ports = {port}
[Options]
DNS = no
Ident = no
PAM = no
"""

pytestmark = pytest.mark.needs("ngircd")


@pytest.fixture
def ngircd(tmp_path: Path) -> Iterator[Address]:
    port = find_free_port()
    config = tmp_path / "ngircd.conf"
    config.write_text(CONFIG.format(port=port))
    log = (tmp_path / "log").open("wb")
    with (
        log,
        subprocess.Popen([str(NGIRCD), "-n", "-f", str(config)], stdout=log, stderr=log) as server,
    ):
        wait_until(lambda: _answers(port) or server.poll() is not None, "ngircd to listen")
        yield Address(Scheme.TCP, "127.0.0.1", port)
        server.terminate()
        server.wait(PATIENCE_S)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_pipe_delivers_and_confirms_without_echo(ngircd: Address, netd_chat: Run) -> None:
    with Observer(ngircd) as ear:
        done = netd_chat(str(ngircd), "--name", "bot", given="one\ntwo\nthree\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert ear.hear(3) == ["one", "two", "three"]


def test_a_message_to_a_moderated_channel_is_refused(ngircd: Address, netd_chat: Run) -> None:
    with Observer(ngircd, channel="#quiet") as owner:
        owner.send("MODE", "#quiet", "+m")
        owner.await_message("MODE")
        done = netd_chat(str(ngircd), "--name", "bot", "--channel", "#quiet", given="hi\n")
        assert done.returncode == 1
        assert "not delivered: 'hi'" in done.stderr

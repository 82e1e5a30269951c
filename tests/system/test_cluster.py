"""Two Debian hosts that are one chat, with Redis on a third one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.programs import require
from tests.support import wait_until
from tests.system.conftest import StartContainer, build, install
from tests.system.container import Container
from tests.system.engine_host import ADDRESS, PASSWORD, EngineHost

pytestmark = [pytest.mark.system, pytest.mark.timeout(600, func_only=True)]

CONFIG = f"""
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:6667"
flood_rate = 0

[listeners.lounge.cluster]
engine = "redis://chat@{ADDRESS}:6379/0"
password_file = "/etc/netd/redis"
name = "example"
"""


class Client:
    """A client in a container."""

    def __init__(self, container: Container, nick: str) -> None:
        self._process = container.start("exec timeout 300 nc 127.0.0.1 6667")
        self.send(f"NICK {nick}", f"USER {nick} 0 * :{nick}", "JOIN #room")
        self.until(" 366 ")

    def send(self, *lines: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\r\n" for line in lines))
        self._process.stdin.flush()

    def until(self, text: str) -> list[str]:
        """The lines up to one that has a text."""
        assert self._process.stdout is not None
        lines: list[str] = []
        while not lines or text not in lines[-1]:
            line = self._process.stdout.readline()
            assert line, f"the connection was closed after {lines}"
            lines.append(line.strip())
        return lines

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineHost]:
    require("redis-server")
    host = EngineHost(tmp_path / "engine")
    yield host
    host.close()


def start_node(start_container: StartContainer, engine: EngineHost, name: str) -> Container:
    """A host of the chat; the name of the node is that of the host."""
    debian = start_container("trixie")
    engine.connect(debian)
    install(debian, build("trixie"))
    debian.sh(f"hostname {name}; install -d /etc/netd")
    debian.write("/etc/netd/redis", PASSWORD)
    debian.sh("chown root:netd /etc/netd/redis; chmod 640 /etc/netd/redis")
    debian.write("/etc/netd.toml", CONFIG)
    assert "warning" not in debian.sh("netd check 2>&1")
    debian.sh("systemctl restart netd")
    wait_until(lambda: not debian.try_("netd probe").returncode, "the chat")
    return debian


def test_what_happens_to_hosts_and_engine(
    start_container: StartContainer, engine: EngineHost
) -> None:
    one, two = [start_node(start_container, engine, name) for name in ("one", "two")]
    alice, bob = Client(one, "alice"), Client(two, "bob")
    alice.until(":bob!")
    events: list[Callable[[], object]] = [
        lambda: two.sh("systemctl reload netd"),
        lambda: two.sh("systemctl restart netd"),
        engine.restart,
    ]
    for number, event in enumerate(events):
        event()
        alice.send(f"PRIVMSG #room :from alice {number}")
        assert len(bob.until(f"from alice {number}")) == 1, "bob has seen something else"
        bob.send(f"PRIVMSG #room :from bob {number}")
        assert len(alice.until(f"from bob {number}")) == 1, "alice has seen something else"
    two.kill()
    assert alice.until(" QUIT ")[-1].startswith(":bob!")
    alice.send("NICK bob", "PRIVMSG bob :the nick is free")
    alice.until("the nick is free")
    for client in (alice, bob):
        client.close()

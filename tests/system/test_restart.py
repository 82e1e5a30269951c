"""Restarts and upgrades that no client notices, on each release of Debian."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.handover.loading import Load, faults
from tests.handover.record import Spec
from tests.handover.scenario import Scenario
from tests.programs import require
from tests.support import make_certificate, wait_until
from tests.system.chat_programs import ChatPrograms
from tests.system.conftest import StartContainer, build, install
from tests.system.container import PROJECT, Container

pytestmark = [pytest.mark.system, pytest.mark.timeout(600, func_only=True)]

CONFIG = "/etc/netd.toml"
DROP_IN = "/etc/systemd/system/netd.service.d/test.conf"
CLIENTS = r"""
import os, socket, sys

def unix(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(path)
    return sock

def join(sock, name):
    nick = f"{name}{os.getpid()}"
    sock.sendall(f"NICK {nick}\r\nUSER {nick} 0 * :{nick}\r\nJOIN #lounge\r\n".encode())
    lines = sock.makefile("rb")
    while b" 366 " not in lines.readline():
        pass
    return sock, lines

def pong(member, token):
    # Everything that a member gets until the reply to its PING.
    sock, lines = member
    sock.sendall(f"PING {token}\r\n".encode())
    seen = []
    while True:
        line = lines.readline().decode().strip()
        if not line:
            raise SystemExit(f"a member was disconnected after {seen}")
        if " PONG " in line and line.endswith(token):
            return seen
        seen.append(line)

echo = [socket.create_connection(("127.0.0.1", 7007), 20) for _ in range(5)]
web = socket.create_connection(("127.0.0.1", 8080), 20)
replies = web.makefile("rb")
ann = join(socket.create_connection(("127.0.0.1", 6667), 20), "ann")
bob = join(unix("/run/netd/lounge.sock"), "bob")
pong(ann, "begun")
pong(bob, "begun")
print("ready", flush=True)
for number, command in enumerate(sys.stdin):
    if command.strip() == "await the end":
        print(ann[1].read().decode().splitlines()[-1:], flush=True)
        break
    said = f"line-{number}"
    for sock in echo:
        sock.sendall(said.encode())
        got = b""
        while len(got) < len(said):
            part = sock.recv(100)
            assert part, f"echo ended after {got}"
            got += part
        assert got == said.encode(), got
    web.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    status, length = replies.readline(), 0
    assert b" 200 " in status, status
    while (line := replies.readline().strip()):
        name, _, value = line.decode().partition(":")
        length = int(value) if name.lower() == "content-length" else length
    assert replies.read(length) == b"Hello from Epoll Server"
    bob[0].sendall(f"PRIVMSG #lounge :{said}\r\n".encode())
    assert pong(bob, said) == []
    heard = pong(ann, said)
    assert len(heard) == 1 and heard[0].endswith(f"PRIVMSG #lounge :{said}"), heard
    with socket.create_connection(("127.0.0.1", 8080), 20), unix("/run/netd/lounge.sock"):
        print("well", flush=True)
"""


class Clients:
    """Clients of every listener in the container, which stay connected."""

    def __init__(self, container: Container) -> None:
        container.write("/srv/clients.py", CLIENTS)
        self._process = container.start("exec timeout 300 python3 /srv/clients.py")
        self._expect("ready\n")
        self.check()  # the first request of a connection has to come within header_timeout

    def check(self) -> None:
        """Use each connection: none of them was cut, and no line was lost or came twice."""
        self._command("check")
        self._expect("well\n")

    def await_end(self) -> str:
        """Wait for the end of the members' connections; returns the last line of one of them."""
        self._command("await the end")
        output, _ = self._process.communicate(timeout=60)
        return output

    def close(self) -> None:
        """End the clients, which do so when their input ends."""
        self._process.communicate(timeout=60)

    def _command(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()

    def _expect(self, wanted: str) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line == wanted, line + self._process.stdout.read()


@pytest.fixture
def clients(installed: Container) -> Iterator[Clients]:
    patient = '/^kind = "http"/a keepalive_timeout = "10m"'  # between two checks, on a busy system
    installed.sh(f"cp {CONFIG} /usr/share/netd-test.toml; sed -i '{patient}' {CONFIG}; netd reload")
    clients = Clients(installed)
    yield clients
    clients.close()
    installed.sh(
        f"cp /usr/share/netd-test.toml {CONFIG}; rm -f {DROP_IN};"
        "systemctl daemon-reload; systemctl restart netd"
    )


def await_successor(container: Container, main: str) -> None:
    """Wait until another process is ready."""
    wait_until(lambda: container.property("MainPID") not in (main, "0"), "another process")
    wait_until(lambda: container.property("ActiveState") == "active", "it to be ready")


def test_restarts_keep_every_client(installed: Container, clients: Clients) -> None:
    stored = installed.property("NFileDescriptorStore")
    mains = {installed.property("MainPID")}
    for _ in range(5):
        clients.check()
        installed.sh("systemctl restart netd")
        mains.add(installed.property("MainPID"))
    clients.check()
    assert len(mains) == 6
    assert installed.property("NFileDescriptorStore") == stored


@pytest.mark.parametrize("command", ["daemon-reexec", "daemon-reload"])
def test_systemd_may_start_anew_in_the_middle(
    installed: Container, clients: Clients, command: str
) -> None:
    for _ in range(3):
        installed.sh(f"systemctl restart --no-block netd; systemctl {command}; sleep 0.2")
        installed.sh(f"systemctl {command}; systemctl restart netd")
        clients.check()


def test_a_signal_from_another_process_restarts_the_daemon_and_keeps_the_clients(
    installed: Container, clients: Clients
) -> None:
    for _ in range(6):
        main = installed.property("MainPID")
        installed.sh(f"kill -USR2 {main}")
        await_successor(installed, main)
        clients.check()
    assert installed.property("Result") == "success"


def test_after_a_restart_with_a_faulty_file_the_clients_are_served_as_before(
    installed: Container, clients: Clients
) -> None:
    installed.sh(f"echo 'nonsense = 1' >> {CONFIG}; systemctl restart netd")
    clients.check()
    assert "nonsense" in installed.property("StatusText")
    status = installed.try_("netd status")
    assert (status.returncode, "nonsense" in status.stdout) == (1, True)
    installed.sh("systemctl restart netd")
    clients.check()
    installed.sh(f"cp /usr/share/netd-test.toml {CONFIG}; systemctl reload netd")
    clients.check()
    installed.sh("netd status")


def test_a_process_that_is_killed_while_it_takes_over_loses_no_client(
    installed: Container, clients: Clients
) -> None:
    run = f"exec /usr/bin/netd run --config {CONFIG}"
    killed = f"/bin/sh -c 'if rm /run/netd/crash 2>/dev/null; then kill -9 $$$$; fi; {run}'"
    installed.write(DROP_IN, f"[Service]\nExecStart=\nExecStart={killed}\n")
    installed.sh("systemctl daemon-reload; systemctl restart netd")
    clients.check()
    main = installed.property("MainPID")
    installed.sh("touch /run/netd/crash; systemctl restart netd || true")
    await_successor(installed, main)
    assert installed.try_("ls /run/netd/crash").returncode != 0
    clients.check()


def test_a_stop_ends_the_connections_with_a_reason_and_leaves_nothing(
    installed: Container, clients: Clients
) -> None:
    clients.check()
    assert installed.property("NFileDescriptorStore") != "0"
    stop = installed.start("systemctl stop netd")
    assert "ERROR :" in clients.await_end()
    stop.communicate(timeout=60)
    assert installed.property("NFileDescriptorStore") == "0"
    assert installed.sh("systemctl is-active netd || true").strip() == "inactive"
    assert installed.sh("ls /run/netd 2>/dev/null || true") == ""
    assert installed.try_("nc -z 127.0.0.1 7007").returncode != 0


@pytest.mark.parametrize("drop_in", ["unprivileged.conf"])
def test_a_restart_keeps_every_client_in_a_stricter_sandbox(
    installed: Container, clients: Clients, drop_in: str
) -> None:
    text = (PROJECT / "packaging" / "systemd" / drop_in).read_text()
    installed.write(DROP_IN, text)
    installed.sh("systemctl daemon-reload")
    for _ in range(2):
        installed.sh("systemctl restart netd")
        clients.check()


def configure(container: Container, scenario: Scenario) -> None:
    """Put a scenario's configuration in force in the container, and the code of its clients."""
    shutil.copytree(scenario.directory / "www", container.root / "srv" / "www")
    code = container.root / "srv" / "code" / "tests" / "handover"
    shutil.copytree(PROJECT / "tests" / "handover", code)
    container.write(CONFIG, inside(scenario, scenario.text()))
    container.sh("systemctl reload netd")


def inside(scenario: Scenario, text: str) -> str:
    """A text with the paths that the scenario's files and sockets have in the container."""
    text = text.replace(f"{scenario.directory}/www", "/srv/www")
    return text.replace(str(scenario.directory), "/run/netd")


def start_load(container: Container, scenario: Scenario) -> Load:
    """Run the scenario's clients in the container, and 200 connections in its chat."""
    lounge = scenario.address("lounge")
    crowd = Spec("chat member", lounge, 188, "chat crowd", {"prefix": "c", "talks": False})
    chat = scenario.chat_specs(6, pace_s=1.0)
    specs = [*scenario.echo_specs(3), *scenario.web_specs(3), *chat, crowd]
    specs = [replace(spec, address=inside(scenario, spec.address)) for spec in specs]
    script = "cd /srv/code && PYTHONPATH=/usr/lib/netd exec python3 -m tests.handover.load"
    return Load(specs, container.command(script))


@pytest.fixture
def scenario(installed: Container, tmp_path: Path) -> Iterator[Scenario]:
    """A configuration that is in force in the container."""
    installed.sh(f"cp {CONFIG} /usr/share/netd-test.toml")
    scenario = Scenario(tmp_path)
    configure(installed, scenario)
    yield scenario
    installed.sh(f"cp /usr/share/netd-test.toml {CONFIG}; systemctl restart netd")
    status = "3 listeners, 3 workers"
    wait_until(lambda: status in installed.property("StatusText"), "the removed listeners to go")
    installed.sh("rm -r /srv/www /srv/code")


@pytest.fixture
def programs(installed: Container, scenario: Scenario) -> Iterator[ChatPrograms]:
    """irssi, weechat and netd-chat in the container's chat."""
    require("irssi", "tmux", "weechat-headless")
    directory = scenario.directory / "programs"
    directory.mkdir()
    port, path = scenario.ports["lounge"], "/run/netd/lounge"
    programs = ChatPrograms(installed, directory, port=port, path=path)
    yield programs
    programs.close()


def test_restarts_under_a_mixed_load_disturb_no_client(
    installed: Container, scenario: Scenario, programs: ChatPrograms
) -> None:
    with start_load(installed, scenario) as load:
        programs.begin()
        for number in range(20):
            programs.say(f"before restart {number}")
            load.event(lambda: installed.sh("systemctl restart netd"))
            if number % 5 == 0:
                load.event(lambda: installed.sh("systemctl daemon-reexec"))
        programs.end()
        report = load.finish()
    assert programs.faults([f"before restart {number}" for number in range(20)]) == []
    assert faults(report) == []
    assert report["chat member"].steps
    assert report["chat crowd"].steps
    assert report["http kept"].steps


def later(package: Path, directory: Path) -> Path:
    """The same package as version 9."""
    tree = directory / "tree"
    subprocess.run(["dpkg-deb", "-R", str(package), str(tree)], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(control.read_text().replace("Version: ", "Version: 9+"))
    module = tree / "usr" / "lib" / "netd" / "netd" / "__init__.py"
    module.write_text(module.read_text().replace('__version__ = "', '__version__ = "9+'))
    (tree / "DEBIAN" / "md5sums").unlink()
    target = directory / "later.deb"
    subprocess.run(["dpkg-deb", "--build", "-Zgzip", str(tree), str(target)], check=True)
    return target


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("suite", ["trixie", "bookworm"])
def test_an_upgrade_of_the_package_keeps_every_client(
    start_container: StartContainer, tmp_path: Path, suite: str
) -> None:
    debian = start_container(suite)
    install(debian, build(suite))
    for path in map(Path, make_certificate(tmp_path, "localhost").values()):
        debian.write(f"/srv/{path.name}", path.read_text())
    debian.sh("chmod 644 /srv/*.pem /srv/*.key")
    clients = Clients(debian)
    package = debian.copy_in(later(build(suite), tmp_path))
    debian.sh(f"dpkg --unpack {package}")
    # Not even the files of the later version are left; the running daemon needs none of them.
    debian.sh("find /usr/lib/netd/netd -name '*.py' -exec sh -c 'echo 1/0 >$1' - {} \\;")
    clients.check()

    tls = '{ certificate = "/srv/localhost.pem", key = "/srv/localhost.key" }'
    secure = f'[listeners.tls]\nkind = "http"\naddress = "tcp://127.0.0.1:8443"\ntls = {tls}\n'
    debian.sh(f"cat >> {CONFIG}; kill -HUP $(systemctl show --value -p MainPID netd)", secure)
    get = "curl -s --cacert /srv/localhost.pem https://localhost:8443/health -o /dev/null"
    wait_until(lambda: debian.try_(get).returncode == 0, "the listener with TLS")
    main = debian.property("MainPID")
    debian.sh(f"pkill -9 -P {main} -x 'netd: tls'")
    wait_until(lambda: debian.try_(get).returncode == 0, "its next worker")
    clients.check()

    debian.sh(f"dpkg --unpack {package}; dpkg --configure netd")
    assert debian.property("MainPID") != main
    assert json.loads(debian.sh("netd status --json"))["version"].startswith("9+")
    clients.check()
    debian.sh(get)
    clients.close()

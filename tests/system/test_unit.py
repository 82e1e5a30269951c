"""The unit's sandbox and its stricter variants: each service works in them, and their scores."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support import wait_until
from tests.system.conftest import StartContainer
from tests.system.container import PROJECT, Container

pytestmark = [pytest.mark.system, pytest.mark.timeout(600, func_only=True)]

EXAMPLES = PROJECT / "packaging" / "systemd"
CONFIG_FILE = "/etc/netd.toml"
DROP_IN = "/etc/systemd/system/netd.service.d/variant.conf"
SOCKETS = "/etc/systemd/system/netd*.socket"
CONFIG = """
[listeners.echo]
kind = "echo"
address = ["tcp://[::]:{echo}", "udp://[::]:{echo}"]
concurrency = "{concurrency}"

[listeners.lounge]
kind = "chat"
address = ["tcp://[::]:6667", "unix:///run/netd/lounge.sock"]
history_file = "/var/lib/netd/lounge.sqlite"

[listeners.web]
kind = "http"
address = "tcp://[::]:{web}"
access_log = "-"

[[listeners.web.routes]]
path = "/"
directory = "/usr/share/doc/netd"
listing = true
"""
SOCKET = """
[Socket]
Service=netd.service
FileDescriptorName={name}
{listen}
BindIPv6Only=both
"""
LOAD = """
import collections, socket, sys, threading, time
count, errors = collections.Counter(), []
def use(name, port, said, wanted, over):
    while not over.is_set():
        try:
            with socket.create_connection(("127.0.0.1", port), 30) as sock:
                sock.sendall(said)
                sock.shutdown(socket.SHUT_WR)
                got = b""
                while chunk := sock.recv(65536):
                    got += chunk
            if not got.endswith(wanted):
                errors.append(f"{name}: {got!r}")
            count[name] += 1
        except OSError as error:
            errors.append(f"{name}: {error}")
over = threading.Event()
http = b"GET /hello HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"
threads = [
    threading.Thread(target=use, args=("http", 80, http, b"works", over)),
    threading.Thread(target=use, args=("echo", 7, b"echo" * 10, b"echo" * 10, over)),
]
for thread in threads: thread.start()
print("under way", flush=True)
sys.stdin.readline()
over.set()
for thread in threads: thread.join()
print(dict(count), errors[:5], len(errors))
"""


@pytest.fixture(scope="module")
def debian(installed_on: StartContainer) -> Iterator[Container]:
    container = installed_on("trixie")
    container.sh(f"cp -a {CONFIG_FILE} /srv/shipped.toml")
    yield container
    container.sh(
        f"systemctl stop netd; rm -f {DROP_IN} {SOCKETS} /var/lib/netd/*;"
        f"mv /srv/shipped.toml {CONFIG_FILE}; systemctl daemon-reload; systemctl start netd"
    )


def vary(debian: Container, drop_in: str, **config: object) -> None:
    """Run netd with a drop-in for its unit and with this configuration."""
    debian.write(DROP_IN, (EXAMPLES / drop_in).read_text() if drop_in else "")
    debian.write(CONFIG_FILE, CONFIG.format(**config))
    debian.sh("systemctl daemon-reload; systemctl restart netd || ! journalctl -u netd -n 20")


def works(debian: Container, *, echo: int, web: int) -> None:
    """Check that each service replies, on each transport."""
    assert debian.sh(f"echo hello | nc -N 127.0.0.1 {echo}") == "hello\n"
    assert debian.sh(f"head -c 3000000 /dev/zero | nc -N ::1 {echo} | wc -c").strip() == "3000000"
    assert debian.sh(f"echo hello | nc -u -W 1 127.0.0.1 {echo}") == "hello\n"
    assert "copyright" in debian.sh(f"curl -s http://127.0.0.1:{web}/")
    assert "netd" in debian.sh(f"curl -s http://[::1]:{web}/copyright")
    debian.sh("netd-chat --name bob --send 'still here'")
    debian.sh("netd-chat --name bob --send 'over tcp' --host 127.0.0.1 --port 6667")
    debian.sh("netd probe")
    debian.sh("systemctl reload netd")
    journal = "journalctl -u netd -o cat --no-pager -n 50"
    wait_until(lambda: " 200 " in debian.sh(journal), "the access log")


def score(debian: Container) -> float:
    said = debian.sh("systemd-analyze security --no-pager netd.service")
    found = re.search(r"Overall exposure level for netd.service: ([\d.]+)", said)
    assert found is not None, said
    return float(found[1])


@pytest.mark.parametrize("concurrency", ["fork", "thread"])
@pytest.mark.parametrize(
    ("drop_in", "echo", "web", "most"),
    [("", 7, 80, 1.4), ("unprivileged.conf", 7007, 8080, 1.1)],
    ids=["as shipped", "unprivileged"],
)
def test_everything_works_in_the_sandbox(  # noqa: PLR0913, PLR0917 (a case's fields)
    debian: Container, drop_in: str, echo: int, web: int, most: float, concurrency: str
) -> None:
    vary(debian, drop_in, echo=echo, web=web, concurrency=concurrency)
    works(debian, echo=echo, web=web)
    assert score(debian) <= most


def pass_sockets(debian: Container) -> Iterator[str]:
    """Have systemd open every port; yields the names of the socket units."""
    lines = {
        "netd": (EXAMPLES / "netd.socket").read_text(),
        "netd-echo": SOCKET.format(
            name="echo", listen="ListenStream=[::]:7\nListenDatagram=[::]:7"
        ),
        "netd-lounge": SOCKET.format(name="lounge", listen="ListenStream=[::]:6667"),
    }
    for name, text in lines.items():
        debian.write(f"/etc/systemd/system/{name}.socket", text)
        yield f"{name}.socket"


@pytest.mark.parametrize("concurrency", ["fork", "thread"])
def test_everything_works_on_passed_sockets_alone(debian: Container, concurrency: str) -> None:
    units = " ".join(pass_sockets(debian))
    debian.sh(f"systemctl stop netd; systemctl daemon-reload; systemctl start {units}")
    vary(debian, "sockets-only.conf", echo=7, web=80, concurrency=concurrency)
    works(debian, echo=7, web=80)
    assert score(debian) <= 0.4
    debian.sh(f"systemctl stop netd {units}")


def test_a_connection_starts_a_daemon_that_is_not_running(debian: Container) -> None:
    units = " ".join(pass_sockets(debian))
    vary(debian, "", echo=7, web=80, concurrency="fork")
    debian.sh(f"systemctl stop netd; systemctl start {units}")
    assert debian.try_("systemctl is-active netd").stdout.strip() == "inactive"
    assert "copyright" in debian.sh("curl -s http://127.0.0.1/")
    wait_until(lambda: debian.property("ActiveState") == "active", "it to be ready")
    debian.sh(f"systemctl stop netd {units}")


def test_a_socket_that_no_address_claims_refuses_connections(debian: Container) -> None:
    vary(debian, "", echo=7, web=8080, concurrency="fork")
    debian.write("/etc/systemd/system/netd.socket", (EXAMPLES / "netd.socket").read_text())
    said = debian.try_("systemctl daemon-reload; systemctl start netd.socket")
    assert said.returncode != 0  # its service runs already
    debian.sh("systemctl stop netd; systemctl start netd.socket; systemctl start netd")
    refused = debian.try_("curl -s --max-time 10 http://127.0.0.1/")
    assert refused.returncode == 7, "curl: connection refused"
    warning = "passed socket web (tcp://[::]:80) fits no listener's address"
    assert warning in debian.sh("journalctl -u netd -o cat --no-pager -n 50")
    assert "copyright" in debian.sh("curl -s http://127.0.0.1:8080/")
    config = CONFIG.format(echo=7, web=80, concurrency="fork")
    debian.write(CONFIG_FILE, config)
    debian.sh("systemctl stop netd netd.socket; systemctl start netd.socket netd")
    assert "copyright" in debian.sh("curl -s http://127.0.0.1/")
    debian.sh("systemctl stop netd netd.socket; rm /etc/systemd/system/netd.socket")


@pytest.mark.parametrize("passed", [True, False], ids=["passed sockets", "stored sockets"])
def test_a_restart_under_load_refuses_no_connection(debian: Container, *, passed: bool) -> None:
    units = " ".join(pass_sockets(debian))
    if passed:
        debian.sh(f"systemctl stop netd; systemctl daemon-reload; systemctl start {units}")
    config = CONFIG.format(echo=7, web=80, concurrency="fork")
    text = '[[listeners.web.routes]]\npath = "/hello"\ntext = "it works"\n'
    debian.write(DROP_IN, "")
    debian.write(CONFIG_FILE, config + text)
    debian.sh("systemctl daemon-reload; systemctl restart netd")
    debian.write("/srv/load.py", LOAD)
    load = debian.start("timeout 120 python3 /srv/load.py")
    assert load.stdout is not None
    assert load.stdout.readline() == "under way\n"
    for _ in range(10):
        debian.sh("systemctl restart netd")
    said, _ = load.communicate("stop\n", timeout=60)
    assert said.rstrip().endswith("[] 0"), said
    assert "http" in said, said
    assert "echo" in said, said
    debian.sh(f"systemctl stop netd {units}")

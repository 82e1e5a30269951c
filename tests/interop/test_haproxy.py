"""A chat behind HAProxy: clients keep their addresses, and are secure if HAProxy ends their TLS."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.listeners.chat.test_proxy_protocol import FROM_LOOPBACK, whois
from tests.listeners.chat.test_service import Irc, Start, start
from tests.programs import find
from tests.support import WorkerUnderTest, find_free_port, make_certificate, wait_until

__all__ = ["start"]  # a fixture

_CONFIG = """
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend chat
    bind 127.0.0.1:{port} {tls}
    default_backend netd
backend netd
    server one 127.0.0.1:{netd} source 127.0.0.2 {send}
"""
Proxy = Callable[..., int]


def _port(worker: WorkerUnderTest) -> int:
    return int(worker.sockets[0][1].getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return not sock.connect_ex(("127.0.0.1", port))


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """Starts HAProxy before a port of netd; returns its own."""
    with ExitStack() as stack:

        def run(netd: int, send: str, tls: str = "") -> int:
            port = find_free_port()
            config = tmp_path / "haproxy.cfg"
            config.write_text(_CONFIG.format(port=port, tls=tls, netd=netd, send=send))
            command = [find("haproxy") or "haproxy", "-db", "-f", str(config)]
            process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            stack.callback(process.terminate)
            wait_until(lambda: _listens(port), "HAProxy")
            return port

        yield run


@pytest.mark.needs("haproxy")
@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2"])
def test_a_client_has_its_own_address(start: Start, proxy: Proxy, send: str) -> None:
    worker = start(**FROM_LOOPBACK)
    port = proxy(_port(worker), send)
    sock = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.9", 0))
    client = Irc(sock).register("alice")
    shown = whois(client, "alice")
    client.close()
    assert "alice ~alice@127.0.0.9 127.0.0.9 :Actual user@host, actual IP" in shown
    assert "alice :is using a secure connection" not in shown


@pytest.mark.needs("haproxy", "openssl")
def test_a_client_whose_tls_haproxy_ends_is_secure(
    start: Start, proxy: Proxy, tmp_path: Path
) -> None:
    files = make_certificate(tmp_path, "one.test")
    (tmp_path / "both.pem").write_text(
        "".join(Path(path).read_text() for path in dict.fromkeys(files.values()))
    )
    worker = start(**FROM_LOOPBACK)
    tls = f"ssl crt {tmp_path}/both.pem"
    port = proxy(_port(worker), "send-proxy-v2-ssl", tls)
    context = ssl.create_default_context(cafile=str(tmp_path / "one.test.pem"))
    sock = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.9", 0))
    with context.wrap_socket(sock, server_hostname="one.test") as secure:
        client = Irc(secure).register("alice")
        shown = whois(client, "alice")
        client.close()
    assert "alice :is using a secure connection" in shown
    assert "alice ~alice@127.0.0.9 127.0.0.9 :Actual user@host, actual IP" in shown

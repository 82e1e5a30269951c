"""Proxies that name the chat's clients by the PROXY protocol."""

from __future__ import annotations

import ssl
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from tests.listeners.chat.test_handover import Start as StartChat
from tests.listeners.chat.test_handover import start as start_chat
from tests.listeners.chat.test_service import Connect, Irc, Start, connect, start
from tests.listeners.http.http_client import is_cut
from tests.support import WorkerUnderTest, make_certificate, read_all

__all__ = ["connect", "start", "start_chat"]  # fixtures

FROM_LOOPBACK: dict[str, Any] = {"proxy_protocol_from": "127.0.0.0/8"}
OPTIONAL = {**FROM_LOOPBACK, "proxy_protocol": "optional"}


def line(host: str) -> bytes:
    return f"PROXY TCP4 {host} 192.0.2.2 1 2\r\n".encode()


def binary(host: str, tlvs: bytes = b"") -> bytes:
    rest = IPv4Address(host).packed * 2 + b"\0\1\0\2" + tlvs
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + len(rest).to_bytes(2, "big") + rest


TLS_TLV = b"\x20\0\5\1\0\0\0\0"


def whois(client: Irc, nick: str) -> list[str]:
    client.send(f"WHOIS {nick}")
    return [received.split(" ", 3)[3] for received in client.sync()]


def test_the_address_in_the_header_is_the_clients(start: Start, connect: Connect) -> None:
    worker = start(**FROM_LOOPBACK, max_connections_per_address=1, deny="192.0.2.9")
    for nick, header in (("one", line("192.0.2.1")), ("two", binary("192.0.2.7"))):
        client = connect(worker)
        client.sock.sendall(header)
        client.register(nick)
        host = "192.0.2.1" if nick == "one" else "192.0.2.7"
        assert f"{nick} ~{nick}@{host} {host} :Actual user@host, actual IP" in whois(client, nick)
    for host, reason in (("192.0.2.1", b"too many"), ("192.0.2.9", b"you may not connect")):
        with worker.connect() as sock:
            sock.sendall(line(host))
            assert reason in read_all(sock)
    worker.await_counters(lambda seen: seen["refused_denied"] == seen["refused_address_full"] == 1)


def test_the_rate_of_connections_is_that_of_the_client(start: Start) -> None:
    worker = start(**FROM_LOOPBACK, connect_burst=1, connect_rate=0.001)
    for host, is_refused in (("192.0.2.1", False), ("192.0.2.1", True), ("192.0.2.2", False)):
        with worker.connect() as sock:
            sock.sendall(line(host) + b"QUIT\r\n")
            assert (b"too many connections" in read_all(sock)) is is_refused


def test_a_client_that_uses_tls_with_its_proxy_is_secure(start: Start, connect: Connect) -> None:
    worker = start(**FROM_LOOPBACK)
    for nick, header in (("plain", binary("192.0.2.1")), ("safe", binary("192.0.2.2", TLS_TLV))):
        client = connect(worker)
        client.sock.sendall(header)
        client.register(nick)
        shown = f"{nick} :is using a secure connection" in whois(client, nick)
        assert shown == (nick == "safe")


def test_the_header_comes_before_tls(start: Start, tmp_path: Path) -> None:
    worker = start(**FROM_LOOPBACK, tls=make_certificate(tmp_path, "one.test"))
    context = ssl.create_default_context(cafile=str(tmp_path / "one.test.pem"))
    with worker.connect() as sock:
        sock.sendall(line("192.0.2.1"))
        with context.wrap_socket(sock, server_hostname="one.test") as secure:
            client = Irc(secure).register("alice")
            assert "alice ~alice@192.0.2.1" in " ".join(whois(client, "alice"))
            client.close()


def test_a_proxy_without_a_header_is_not_served(start: Start) -> None:
    worker = start(**FROM_LOOPBACK, registration_timeout="300ms")
    for said in (b"NICK alice\r\n", line("192.0.2.1")[:9], b""):
        with worker.connect() as sock:
            sock.sendall(said)
            assert is_cut(sock)
    worker.await_counters(lambda seen: seen["proxy_protocol_failures"] == 3)


def test_an_optional_header_may_be_missing(start: Start, connect: Connect) -> None:
    worker = start(**OPTIONAL)
    client = connect(worker)
    client.sock.sendall(line("192.0.2.1"))
    client.register("one")
    assert "one ~one@192.0.2.1" in " ".join(whois(client, "one"))
    client = connect(worker)
    client.send("NICK two", line("192.0.2.1").decode().strip())
    client.send("USER two 0 * :two")
    client.expect(" 001 ")
    assert "two ~two@127.0.0.1" in " ".join(whois(client, "two"))


def test_the_first_bytes_of_a_client_without_a_header_are_not_lost(
    start: Start, connect: Connect
) -> None:
    worker = start(**OPTIONAL)
    client = connect(worker)
    for part in (b"P", b"R", b"IVMSG x :y\r\n"):
        client.sock.sendall(part)
    assert " 451 " in client.expect(":")


def test_under_tls_an_optional_header_may_be_missing(start: Start, tmp_path: Path) -> None:
    worker = start(**OPTIONAL, tls=make_certificate(tmp_path, "one.test"))
    context = ssl.create_default_context(cafile=str(tmp_path / "one.test.pem"))
    with (
        worker.connect() as sock,
        context.wrap_socket(sock, server_hostname="one.test") as secure,
    ):
        client = Irc(secure).register("alice")
        assert "alice ~alice@127.0.0.1" in " ".join(whois(client, "alice"))
        client.close()


def test_other_peers_send_no_header(start: Start, connect: Connect) -> None:
    client = connect(start(proxy_protocol_from="10.0.0.0/8"))
    client.sock.sendall(line("192.0.2.1"))
    client.register("alice")
    assert "alice ~alice@127.0.0.1" in " ".join(whois(client, "alice"))


def test_a_header_arrives_in_two_processes(start_chat: StartChat) -> None:
    chat = start_chat(**FROM_LOOPBACK)
    waiting, served = chat.connect(), chat.connect()
    waiting.sock.sendall(line("192.0.2.1")[:12])
    served.sock.sendall(line("192.0.2.2"))
    served.register("served")
    chat.hand_over()
    waiting.sock.sendall(line("192.0.2.1")[12:])
    waiting.register("waiting")
    assert "waiting ~waiting@192.0.2.1" in " ".join(whois(waiting, "waiting"))


def test_a_drained_worker_waits_for_no_header(start: Start) -> None:
    worker: WorkerUnderTest = start(**FROM_LOOPBACK)
    with worker.connect() as silent:
        _await_waiting(worker)
        worker.drain(60, stopping=True)
        assert read_all(silent) == b""
    assert worker.await_exit().status == 0


def _await_waiting(worker: WorkerUnderTest) -> None:
    """A later connection is served, so an earlier one is accepted."""
    with worker.connect() as sock:
        sock.sendall(line("192.0.2.1") + b"QUIT\r\n")
        assert b"Quit" in read_all(sock)


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("poller", ["select", "epoll"])
def test_connections_without_a_header_are_bounded(
    start: Start, connect: Connect, poller: str
) -> None:
    worker = start(**OPTIONAL, poller=poller, max_connections=2000)
    socks = [worker.connect() for _ in range(1100)]
    try:
        with_counter = "poller_full" if poller == "select" else "proxy_protocol_failures"
        worker.await_counters(lambda seen: seen[with_counter] >= 1100 - 1024)
        for sock in socks[:500]:
            sock.close()
        worker.await_counters(lambda seen: seen["proxy_protocol_failures"] >= 400)
        client = connect(worker)
        client.sock.sendall(line("192.0.2.1"))
        client.register("alice")
        assert "alice ~alice@192.0.2.1" in " ".join(whois(client, "alice"))
    finally:
        for sock in socks:
            sock.close()

"""Routes with `chat`: the page, and connections that are handed off to the chat listener."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from netd.listeners.http import KIND
from netd.protocols.handoff import Handoff, parse_handoff
from netd.protocols.password import hash_password
from tests.listeners.http.http_client import LOOPBACK, Response
from tests.protocols.websocket_client import handshake
from tests.support import PATIENCE_S, WorkerUnderTest, make_certificate

HELLO = {"path": "/hello", "text": "hello"}
CHAT = {"path": "/chat", "chat": "lounge"}


@dataclass
class Arrived:
    """A connection that has come out of the queue."""

    handoff: Handoff
    sock: socket.socket


class Site:
    """An HTTP worker with a route to a chat listener, whose part the test plays."""

    def __init__(self, *routes: dict[str, Any], **options: Any) -> None:
        self.entry, self.exit = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.entry.setblocking(False)
        self.exit.settimeout(PATIENCE_S)
        self.options = {"routes": [HELLO, *routes], **options}
        self.worker = WorkerUnderTest(KIND, None, LOOPBACK)
        self.worker.queues = {"lounge": self.entry}
        self.worker.configure(self.options)

    def connect(self) -> socket.socket:
        return self.worker.connect()

    def request(self, *lines: str, after: bytes = b"", **values: str) -> socket.socket:
        """A client that has sent an opening handshake."""
        client = self.connect()
        client.sendall(handshake(*lines, **values) + after)
        return client

    def arrived(self) -> Arrived:
        record, [fd], _, _ = socket.recv_fds(self.exit, 100_000, 1)
        sock = socket.socket(fileno=fd)
        sock.settimeout(PATIENCE_S)
        return Arrived(parse_handoff(record), sock)

    def assert_none_arrives(self) -> None:
        self.exit.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.exit.recv(1)

    def close(self) -> None:
        self.worker.close()
        self.entry.close()
        self.exit.close()


@pytest.fixture
def open_site() -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def opener(*routes: dict[str, Any], **options: Any) -> Site:
        sites.append(Site(*routes, **options))
        return sites[-1]

    yield opener
    for site in sites:
        site.close()


def status_of(client: socket.socket) -> int:
    with client:
        return Response(client).status


def test_a_get_is_a_page(open_site: Callable[..., Site]) -> None:
    with open_site(CHAT).connect() as client:
        client.sendall(b"GET /chat HTTP/1.1\r\nHost: x\r\n\r\n")
        response = Response(client)
    assert response.status == 200
    assert response.fields["Content-Type"] == "text/html; charset=utf-8"


def test_a_connection_is_handed_off_with_what_was_read_of_it(
    open_site: Callable[..., Site],
) -> None:
    site = open_site(CHAT)
    with site.request(after=b"\x89\x80\0\0\0\0") as client:
        arrived = site.arrived()
        with arrived.sock as chat:
            assert arrived.handoff == Handoff(
                host="127.0.0.1",
                is_secure=False,
                user="",
                is_relayed=False,
                received=handshake() + b"\x89\x80\0\0\0\0",
            )
            chat.sendall(b"HTTP/1.1 101")
            assert client.recv(100) == b"HTTP/1.1 101"
            client.sendall(b"frame")
            assert chat.recv(100) == b"frame"
            site.worker.await_counters(lambda now: not now["connections"] and now["handoffs"] == 1)
        assert client.recv(1) == b""


def test_responses_that_are_due_come_before_the_handoff(open_site: Callable[..., Site]) -> None:
    site = open_site(CHAT)
    with site.connect() as client:
        client.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + handshake())
        with site.arrived().sock as chat:
            chat.sendall(b"after")
            assert [Response(client).body for _ in range(3)] == [b"hello"] * 3
            assert client.recv(100) == b"after"


def test_a_full_queue_is_503_until_there_is_room(open_site: Callable[..., Site]) -> None:
    site = open_site(CHAT)
    waiting: list[socket.socket] = []
    for _ in range(2000):
        client = site.request()
        client.setblocking(False)
        site.worker.await_counters(
            lambda now: now["handoffs"] + now["refused_handoffs"] == len(waiting) + 1
        ) if len(waiting) % 50 == 49 else None
        waiting.append(client)
        if site.worker.counters.get("refused_handoffs"):
            break
    last = waiting[-1]
    last.settimeout(PATIENCE_S)
    response = Response(last)
    assert (response.status, response.fields["Retry-After"]) == (503, "5")
    assert response.fields["Connection"] == "close"
    for client in waiting:
        client.close()
    with site.arrived().sock, site.request() as client:
        site.worker.await_counters(lambda now: now["handoffs"] > 100)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)


def test_without_a_chat_worker_it_is_503(open_site: Callable[..., Site]) -> None:
    site = open_site(CHAT)
    site.exit.close()
    site.entry.close()
    assert status_of(site.request()) == 503


def test_a_head_that_is_too_long_for_a_record(open_site: Callable[..., Site]) -> None:
    site = open_site(CHAT, max_head=200_000)
    assert status_of(site.request(f"X-Long: {'x' * 90_000}")) == 431
    site.assert_none_arrives()


@pytest.mark.parametrize(
    ("host", "origin", "is_permitted"),
    [
        ("chat.example", "http://chat.example", True),
        ("chat.example", "https://chat.example", True),  # behind a proxy that speaks TLS
        ("Chat.Example:80", "http://chat.example", True),
        ("chat.example:443", "https://chat.example", True),
        ("chat.example:8080", "http://chat.example:8080", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("chat.example:8080", "http://chat.example", False),
        ("chat.example", "http://chat.example:8080", False),
        ("chat.example", "http://chat.example:443", False),
        ("chat.example", "http://evil.example", False),
        ("chat.example", "http://chat.example.evil.example", False),
        ("chat.example", "http://evil.example/chat.example", False),
        ("chat.example", "null", False),
        ("chat.example", "", False),
        ("chat.example", "chrome-extension://chat.example", False),
        ("chat.example", "HTTPS://WWW.example.org", True),  # listed
        ("chat.example", "http://www.example.org", False),
    ],
)
def test_the_page_of_a_request_has_to_be_of_this_host_or_listed(
    open_site: Callable[..., Site], host: str, origin: str, *, is_permitted: bool
) -> None:
    site = open_site({**CHAT, "origins": "https://www.example.org"})
    client = site.request(f"Origin: {origin}", host=host)
    if is_permitted:
        site.arrived().sock.close()
        client.close()
    else:
        assert status_of(client) == 403
        site.assert_none_arrives()


def test_all_sites_may_be_permitted(open_site: Callable[..., Site]) -> None:
    site = open_site({**CHAT, "origins": "*"})
    with site.request("Origin: null"), site.arrived().sock:
        pass


def test_requests_that_cannot_change_the_protocol(open_site: Callable[..., Site]) -> None:
    site = open_site(CHAT)
    with site.connect() as client:
        client.sendall(handshake().replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert Response(client).status == 400
    assert status_of(site.request("Content-Length: 1", after=b"x")) == 400
    with site.connect() as client:
        client.sendall(handshake().replace(b"GET", b"POST"))
        assert Response(client).status == 405
    with site.connect() as client:
        client.sendall(handshake().replace(b": websocket", b": h2c"))
        assert Response(client).status == 200


def test_the_user_of_the_route_is_in_the_record(open_site: Callable[..., Site]) -> None:
    site = open_site({**CHAT, "users": {"anna": hash_password("sesame", b"salt")}})
    assert status_of(site.request()) == 401
    assert status_of(site.request("Authorization: Basic YW5uYTp3cm9uZw==")) == 401
    for _ in range(2):  # the second time the login is known
        with site.request("Authorization: Basic YW5uYTpzZXNhbWU="):
            arrived = site.arrived()
            arrived.sock.close()
            assert arrived.handoff.user == "anna"


def test_no_user_without_users(open_site: Callable[..., Site]) -> None:
    site = open_site(CHAT)
    with site.request("Authorization: Basic YW5uYTpzZXNhbWU="):
        arrived = site.arrived()
        arrived.sock.close()
        assert arrived.handoff.user == ""


def test_a_trusted_proxy_names_the_client(open_site: Callable[..., Site]) -> None:
    site = open_site(CHAT, forwarded_from="127.0.0.1/32")
    with site.request("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"):
        arrived = site.arrived()
        arrived.sock.close()
        assert (arrived.handoff.host, arrived.handoff.is_secure) == ("192.0.2.7", True)


@pytest.mark.parametrize("is_secure", [False, True])
def test_a_proxys_header_says_that_the_client_uses_tls(
    open_site: Callable[..., Site], *, is_secure: bool
) -> None:
    site = open_site(CHAT, proxy_protocol_from="127.0.0.1/32")
    addresses = bytes((192, 0, 2, 7, 192, 0, 2, 1, 0, 1, 0, 2))
    tls = b"\x20\x00\x05" + bytes((is_secure, 0, 0, 0, 0))  # PP2_TYPE_SSL
    rest = addresses + tls
    header = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + len(rest).to_bytes(2, "big") + rest
    with site.connect() as client:
        client.sendall(header + handshake())
        arrived = site.arrived()
        arrived.sock.close()
        assert (arrived.handoff.host, arrived.handoff.is_secure) == ("192.0.2.7", is_secure)


def test_another_client_cannot_claim_to_be_one(open_site: Callable[..., Site]) -> None:
    site = open_site(CHAT)
    with site.request("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"):
        arrived = site.arrived()
        arrived.sock.close()
        assert (arrived.handoff.host, arrived.handoff.is_secure) == ("127.0.0.1", False)


def test_a_handoff_is_in_the_access_log(open_site: Callable[..., Site], tmp_path: Path) -> None:
    site = open_site(CHAT, access_log=str(tmp_path / "log"))
    with site.request(), site.arrived().sock:
        site.worker.drain(stopping=True)
        site.worker.await_exit()
    assert '"GET /chat HTTP/1.1" 101 0' in (tmp_path / "log").read_text()


def test_a_handoff_that_waits_for_a_slow_client_goes_to_the_next_worker(
    open_site: Callable[..., Site],
) -> None:
    site = open_site(CHAT, {"path": "/large", "text": "x" * 60_000})
    with site.connect() as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 100 + handshake())
        assert client.recv(1) == b"H"
        with contextlib.closing(site.worker.hand_over()) as bundle:
            successor = site.worker.succeed(site.options, bundle)
            with contextlib.closing(successor):
                successor.go()
                site.worker.dismiss()
                received = b"H"
                while received.count(b"HTTP/1.1") < 100 or not received.endswith(b"x" * 60_000):
                    received += client.recv(1_000_000)
                with site.arrived().sock as chat:
                    chat.sendall(b"after")
                    assert client.recv(100) == b"after"


@pytest.fixture
def secure(open_site: Callable[..., Site], tmp_path: Path) -> Site:
    return open_site(CHAT, tls=make_certificate(tmp_path, "site"))


def wrap(sock: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock)


def test_tls_is_relayed(secure: Site) -> None:
    with wrap(secure.connect()) as client:
        client.sendall(handshake() + b"frame")
        arrived = secure.arrived()
        assert arrived.handoff.is_secure
        assert arrived.handoff.is_relayed
        assert arrived.handoff.received == handshake() + b"frame"
        with arrived.sock as chat:
            large = os.urandom(3_000_000)
            received = b""
            chat.setblocking(False)
            sent = 0
            while len(received) < len(large):
                if sent < len(large):
                    try:
                        sent += chat.send(large[sent:])
                    except BlockingIOError:
                        received += client.recv(100_000)
                else:
                    received += client.recv(100_000)
            assert received == large
            chat.settimeout(PATIENCE_S)
            client.sendall(b"question")
            assert chat.recv(100) == b"question"
            assert secure.worker.await_counters(lambda now: now["bytes_out"] >= 3_000_000)
            chat.sendall(b"last")
        assert client.recv(100) == b"last"
        assert client.recv(100) == b""
    secure.worker.await_counters(lambda now: not now["connections"])


def test_a_client_that_reads_nothing_holds_back_the_chat_worker(secure: Site) -> None:
    with wrap(secure.connect()) as client:
        client.sendall(handshake())
        with secure.arrived().sock as chat:
            chat.settimeout(0.5)
            with pytest.raises(TimeoutError):
                chat.sendall(bytes(50_000_000))
            client.setblocking(False)
    with secure.connect() as other:
        other.close()


def test_the_end_of_a_client_ends_the_relay(secure: Site) -> None:
    with wrap(secure.connect()) as client:
        client.sendall(handshake())
        chat = secure.arrived().sock
    with chat:
        assert chat.recv(1) == b""


def test_a_relay_ends_when_another_process_takes_over(secure: Site) -> None:
    with wrap(secure.connect()) as client:
        client.sendall(handshake())
        with secure.arrived().sock as chat:
            secure.worker.hand_over().close()
            assert chat.recv(1) == b""

"""HTTP with TLS, with certificates made for the test."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netd.config.schema import read_options
from netd.listeners.http import KIND, service
from tests.conftest import StartDaemon
from tests.listeners.http.http_client import Response
from tests.support import PATIENCE_S, WorkerUnderTest, make_certificate, read_all, wait_until

LOOPBACK = ["tcp://127.0.0.1:0"]


def options(directory: Path, tls: dict[str, str]) -> dict[str, object]:
    routes = [{"path": "/hello", "text": "hi"}, {"path": "/", "directory": str(directory)}]
    return {"routes": routes, "tls": tls}


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[WorkerUnderTest]:
    tls = make_certificate(tmp_path, "one.test")
    started = WorkerUnderTest(KIND, options(tmp_path, tls), LOOPBACK)
    yield started
    started.close()


def secure(sock: socket.socket, ca: Path, name: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context.wrap_socket(sock, server_hostname=name)


def test_requests_are_served_with_tls(worker: WorkerUnderTest, tmp_path: Path) -> None:
    content = os.urandom(2_000_000)
    (tmp_path / "big").write_bytes(content)
    with secure(worker.connect(), tmp_path / "one.test.pem", "one.test") as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"
        for _ in range(3):
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(65536).endswith(b"hi")
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read_all(sock).endswith(content)  # an end without close_notify would raise


def test_large_cached_responses_are_sent_whole(start_daemon: StartDaemon, tmp_path: Path) -> None:
    tls, text = make_certificate(tmp_path, "one.test"), "0123456789" * 50_000
    daemon = start_daemon(f"""
[listeners.web]
kind = "http"
address = "unix://{tmp_path}/http.sock"
tls = {{certificate = "{tls["certificate"]}", key = "{tls["key"]}"}}
routes = [{{path = "/", text = "{text}"}}]
""")
    with secure(daemon.connect("web"), tmp_path / "one.test.pem", "one.test") as sock:
        for _ in range(3):  # a response is larger than the socket's buffer
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert Response(sock).body == text.encode()


def test_a_tls_end_within_a_request_ends_one_connection(
    worker: WorkerUnderTest,
) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secured = context.wrap_bio(incoming, outgoing)

    def advance(step: Callable[[], object]) -> None:
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                step()
                break
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
        sock.sendall(outgoing.read())

    with worker.connect() as sock:
        advance(secured.do_handshake)
        secured.write(b"GET /hel")
        with contextlib.suppress(ssl.SSLWantReadError):
            secured.unwrap()
        sock.sendall(outgoing.read())  # both at once
        worker.await_counters(lambda c: c["refused_requests"] == 1)
        sock.sendall(b"more")
    assert worker.await_counters(lambda c: c["connections"] == 0)


@pytest.fixture
def _frequent_upkeep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "UPKEEP_PERIOD_S", 0.2)  # the worker is forked


@pytest.mark.usefixtures("_frequent_upkeep")
def test_a_changed_certificate_is_read_again(worker: WorkerUnderTest, tmp_path: Path) -> None:
    tls = make_certificate(tmp_path, "two.test")
    for old in ("one.test.pem", "one.test.key"):
        os.replace(tmp_path / old.replace("one", "two"), tmp_path / old)

    def serves_the_new() -> bool:
        try:
            secure(worker.connect(), tmp_path / "one.test.pem", "two.test").close()
        except ssl.SSLCertVerificationError:
            return False
        return True

    wait_until(serves_the_new, "the new certificate")
    assert not Path(tls["key"]).exists()


def test_a_client_without_a_handshake_is_closed(worker: WorkerUnderTest, tmp_path: Path) -> None:
    with worker.connect() as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        worker.await_counters(lambda c: c["handshake_failures"] == 1)
    tls = {"certificate": f"{tmp_path}/one.test.pem", "key": f"{tmp_path}/one.test.key"}
    worker.configure({**options(tmp_path, tls), "header_timeout": "1s"})
    with worker.connect() as silent:
        assert silent.recv(1) == b""
        assert worker.await_counters(lambda c: c["connections"] == 0)["timeouts"] == 1


@pytest.mark.parametrize("is_stopped", [False, True])
def test_an_idle_client_gets_a_close_notify(
    worker: WorkerUnderTest, tmp_path: Path, *, is_stopped: bool
) -> None:
    tls = {"certificate": f"{tmp_path}/one.test.pem", "key": f"{tmp_path}/one.test.key"}
    context = ssl.create_default_context(cafile=tls["certificate"])
    with context.wrap_socket(
        worker.connect(), server_hostname="one.test", suppress_ragged_eofs=False
    ) as sock:
        sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536).endswith(b"hi")
        if is_stopped:
            worker.drain(10, stopping=True)
        else:  # by now a request comes in time, however slow the machine is
            worker.configure({**options(tmp_path, tls), "keepalive_timeout": "1s"})
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(65536).endswith(b"hi")
        assert sock.recv(1) == b""  # an end without close_notify would raise


def test_a_request_that_ends_without_a_close_notify_is_a_lost_connection(
    worker: WorkerUnderTest, tmp_path: Path
) -> None:
    with secure(worker.connect(), tmp_path / "one.test.pem", "one.test") as sock:
        sock.sendall(b"GET /hello HTTP/1.1\r\nHost:")
        socket.socket.shutdown(sock, socket.SHUT_WR)
        counters = worker.await_counters(lambda c: c["connections"] == 0)
        assert counters["refused_requests"] == 0


def test_probe_detects_tls(worker: WorkerUnderTest) -> None:
    assert KIND.probe("web", worker.address(), PATIENCE_S).startswith("404 Not Found in ")


def test_a_bad_certificate_is_reported_by_check_and_refused(
    worker: WorkerUnderTest, tmp_path: Path
) -> None:
    bad = options(tmp_path, {"certificate": str(tmp_path / "none.pem")})
    model = read_options(KIND.options, {"kind": "http", "address": LOOPBACK, **bad})
    assert [problem.key for problem in KIND.check(model)] == ["tls.0.certificate"]
    assert "none.pem" in str(worker.ask_configure({**bad, "proxy_protocol_from": "127.0.0.1"}))
    with secure(worker.connect(), tmp_path / "one.test.pem", "one.test") as sock:
        sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536).endswith(b"hi")


def test_a_request_without_tls_is_refused_in_plain_text(worker: WorkerUnderTest) -> None:
    with worker.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert Response(sock).status == 400
        assert sock.recv(1) == b""
    worker.await_counters(lambda counters: counters["handshake_failures"] == 1)


def peer_names(worker: WorkerUnderTest, directory: Path, *names: str) -> list[str]:
    """The names in the certificates that the listener presents for some server names."""
    context = ssl.create_default_context()
    for certificate in directory.glob("*.pem"):
        context.load_verify_locations(certificate)
    context.check_hostname = False
    presented = []
    for name in names:
        with context.wrap_socket(worker.connect(), server_hostname=name or None) as sock:
            peer = sock.getpeercert()
            assert peer is not None
            presented.append(str(peer["subjectAltName"][0][1]))
    return presented


def test_the_name_that_a_client_requests_selects_the_certificate(tmp_path: Path) -> None:
    names = ["one.test", "two.test", "*.two.test"]
    table = options(tmp_path, {})
    table["tls"] = [make_certificate(tmp_path, name) for name in names]
    worker = WorkerUnderTest(KIND, table, LOOPBACK)
    requested = ("two.test", "ONE.test", "a.two.test", "a.b.two.test", "other.test", "")
    first = ["two.test", "one.test", "*.two.test", "one.test", "one.test", "one.test"]
    assert peer_names(worker, tmp_path, *requested) == first
    table["tls"] = table["tls"][::-1]  # type: ignore[index]  # a list
    worker.configure(table)
    assert peer_names(worker, tmp_path, "one.test", "") == ["one.test", "*.two.test"]
    worker.close()

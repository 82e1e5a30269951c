"""Which clients may use a route: networks, passwords, and the address behind a proxy."""

from __future__ import annotations

import base64
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from netd.config.schema import read_options
from netd.listeners.http import KIND
from netd.listeners.logins import password_verifier
from netd.protocols.password import hash_password
from tests.listeners.http.http_client import GET_HELLO, HELLO, LOOPBACK, Response, Start, ask
from tests.support import WorkerUnderTest, cheap_hash, read_all, read_exactly, stop_process

HASH = cheap_hash("s:ß")
SLOW_HASH = hash_password("s:ß", b"salt" * 4, log_n=13)
PRIVATE: dict[str, Any] = {"path": "/p", "text": "private", "users": {"bob": HASH}, "realm": "r"}

SLOW: dict[str, Any] = {**PRIVATE, "users": {"bob": SLOW_HASH}}


def basic(credentials: str) -> str:
    return f"Authorization: Basic {base64.b64encode(credentials.encode()).decode()}"


def test_a_password_opens_the_route(start: Start) -> None:
    worker = start(PRIVATE)
    for _ in range(3):  # checked, then known, then from the cache
        assert ask(worker, "/p", basic("bob:s:ß")).body == b"private"
    assert worker.await_counters(lambda c: c["requests"] == 3)["wrong_credentials"] == 0


@pytest.mark.parametrize(
    "line",
    [
        *(basic("bob:wrong"), basic("eve:s:ß"), basic("bob"), basic(":"), "Authorization: Basic %"),
        *("Authorization: Bearer x", "Authorization:", "X: y", "Authorization: Basic /w=="),
    ],
)
def test_other_credentials_are_refused(start: Start, line: str) -> None:
    response = ask(start(PRIVATE), "/p", line)
    assert (response.status, b"private" in response.body) == (401, False)
    assert response.fields["WWW-Authenticate"] == 'Basic realm="r", charset="UTF-8"'


def test_checking_passwords_delays_no_other_client(start: Start) -> None:
    worker = start(SLOW, HELLO)
    checked = [worker.connect(source=f"127.0.0.{number}") for number in range(2, 10)]
    for number, sock in enumerate(checked):
        line = basic(f"bob:{number}")
        sock.sendall(f"GET /p HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode() + GET_HELLO)
    assert ask(worker, "/hello").status == 200
    assert worker.counters.get("wrong_credentials", 0) < 8
    for sock in checked:
        with sock:
            assert [Response(sock).status, Response(sock).status] == [401, 200]
    assert worker.await_counters(lambda c: c["wrong_credentials"] == 8)


def test_passwords_are_checked_without_a_descriptor_left(start: Start) -> None:
    worker = start(PRIVATE)
    pid = worker.process.pid
    with worker.connect() as sock:
        worker.await_counters(lambda c: c["connections"] == 1)
        highest = max(map(int, os.listdir(f"/proc/{pid}/fd")))
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        waiting = [worker.connect() for _ in range(highest + 1)]  # smaller numbers may be free
        worker.await_counters(lambda c: c["accept_failures"] > 0)
        sock.sendall(f"GET /p HTTP/1.1\r\nHost: x\r\n{basic('bob:s:ß')}\r\n\r\n".encode())
        assert Response(sock).body == b"private"
        for waiter in waiting:
            waiter.close()


def test_only_so_many_passwords_are_checked_at_once(start: Start) -> None:
    worker = start(SLOW)
    with worker.connect() as sock:
        socks = [worker.connect() for _ in range(80)]
        for number, client in enumerate(socks):
            client.sendall(f"GET /p HTTP/1.1\r\nHost: x\r\n{basic(f'b:{number}')}\r\n\r\n".encode())
        worker.await_counters(lambda c: c["unchecked_credentials"] > 0)
        sock.sendall(b"GET /p HTTP/1.1\r\nHost: x\r\n\r\n")
        assert Response(sock).status == 401
        for client in socks:
            client.close()


@pytest.mark.parametrize("sources", [1, 30], ids=["one address", "30 addresses"])
def test_a_right_login_is_checked_amid_a_flood_of_wrong_ones(start: Start, sources: int) -> None:
    worker = start(SLOW, max_login_delay="50ms")
    guessers = [worker.connect(source=f"127.0.0.{2 + n % sources}") for n in range(90)]
    for number, sock in enumerate(guessers):
        guess = basic(f"{'bob' if number % 2 else 'eve'}:{number}")
        sock.sendall(f"GET /p HTTP/1.1\r\nHost: x\r\n{guess}\r\n\r\n".encode())
    worker.await_counters(lambda c: c["wrong_credentials"] > 0)
    response = ask(worker, "/p", basic("bob:s:ß"))
    assert (response.status, response.body) == (200, b"private")
    counters = worker.next_counters(lambda _: "GET 200" in worker.series["responses"])
    assert counters["wrong_credentials"] < 90
    for sock in guessers:
        with sock:
            assert Response(sock).status in (401, 503)
    counters = worker.await_counters(
        lambda c: c["wrong_credentials"] + c["unchecked_credentials"] == 90
    )
    assert counters["waiting_logins"] == 0


def test_the_client_behind_a_trusted_proxy_is_the_source(start: Start) -> None:
    worker = start(SLOW, forwarded_from=["127.0.0.1"], max_waiting_logins_per_address=1)
    guesser, other = "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"
    socks = [worker.connect() for _ in range(9)]
    stop_process(worker.process.pid)  # the guesses arrive together
    for number, sock in enumerate(socks):
        line = basic(f"bob:{number}")
        sock.sendall(f"GET /p HTTP/1.1\r\nHost: x\r\n{line}\r\n{guesser}\r\n\r\n".encode())
    os.kill(worker.process.pid, signal.SIGCONT)
    assert ask(worker, "/p", basic("bob:s:ß"), other).status == 200
    responses = []
    for sock in socks:
        with sock:
            responses.append(Response(sock))
    refused = [response for response in responses if response.status == 503]
    assert len(refused) >= 6  # one is in progress, one waits, and one may come after it
    assert refused[0].fields["Retry-After"] == "10"


def hits(worker: WorkerUnderTest, requests: int) -> int:
    """The hits of the cache after so many requests."""
    return worker.await_counters(lambda c: c["requests"] == requests)["cache_hits"]


def test_a_known_login_is_served_from_the_cache(start: Start) -> None:
    worker = start(PRIVATE)
    for _ in range(4):  # checked, known, cached, cached
        assert ask(worker, "/p", basic("bob:s:ß")).body == b"private"
    assert hits(worker, 4) == 2


def test_a_cached_response_is_for_the_address_that_logged_in(start: Start) -> None:
    worker = start(PRIVATE)
    head = f"GET /p HTTP/1.1\r\nHost: x\r\n{basic('bob:s:ß')}\r\n\r\n".encode()
    for source in ("127.0.0.2", "127.0.0.3", "127.0.0.2"):
        with worker.connect(source=source) as sock:
            for _ in range(3):
                sock.sendall(head)
                assert Response(sock).body == b"private"
    assert hits(worker, 9) == 1 + 1 + 3


def test_the_cache_does_not_confirm_guesses(start: Start) -> None:
    worker = start(PRIVATE, max_login_delay=0)
    for _ in range(3):
        assert ask(worker, "/p", basic("bob:wrong")).status == 401
    counters = worker.await_counters(lambda c: c["requests"] == 3)
    assert (counters["cache_hits"], counters["wrong_credentials"]) == (0, 3)


@pytest.mark.parametrize("users", [{"eve": HASH}, {"bob": cheap_hash("new")}, {}])
def test_a_reload_that_withdraws_a_login_withdraws_cached_responses(
    start: Start, users: dict[str, str]
) -> None:
    worker = start(PRIVATE)
    others = {"deny": "127.0.0.0/8"} if not users else {}
    head = f"GET /p HTTP/1.1\r\nHost: x\r\n{basic('bob:s:ß')}\r\n\r\n".encode()
    with worker.connect() as sock:
        for _ in range(3):
            sock.sendall(head)
            assert Response(sock).status == 200
        assert hits(worker, 3) == 1
        worker.configure({"routes": [{**PRIVATE, "users": users, **others}]})
        for _ in range(2):
            sock.sendall(head)
            assert Response(sock).status == (401 if users else 403)


def test_a_response_that_a_reload_overtakes_is_not_cached(start: Start) -> None:
    slow = hash_password("s:ß", b"salt" * 4)
    worker = start({**PRIVATE, "users": {"bob": slow}}, HELLO)
    head = f"GET /p HTTP/1.1\r\nHost: x\r\n{basic('bob:s:ß')}\r\n\r\n".encode()
    with worker.connect() as sock:
        sock.sendall(head)
        assert ask(worker, "/hello").status == 200
        worker.configure({"routes": [{**PRIVATE, "users": {"eve": HASH}}]})
        assert Response(sock).status == 200  # it was right when it was sent
        for _ in range(2):
            sock.sendall(head)
            assert Response(sock).status == 401


def test_a_login_that_is_forgotten_is_checked_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_verifier, "_MAX_KNOWN", 1)
    worker = start({**PRIVATE, "users": {"bob": HASH, "eve": cheap_hash("e")}})
    for _ in range(3):
        assert ask(worker, "/p", basic("bob:s:ß")).status == 200
    assert hits(worker, 3) == 1
    assert ask(worker, "/p", basic("eve:e")).status == 200
    assert ask(worker, "/p", basic("bob:s:ß")).status == 200
    assert hits(worker, 5) == 1


def test_a_password_that_there_is_no_memory_to_check_is_a_temporary_error(start: Start) -> None:
    worker = start({**PRIVATE, "users": {"bob": hash_password("s:ß", b"salt" * 4)}})
    pid = worker.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_AS)
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    enough_for_a_thread = pages * resource.getpagesize() + 80 * 2**20
    resource.prlimit(pid, resource.RLIMIT_AS, (enough_for_a_thread, limits[1]))
    assert ask(worker, "/p", basic("bob:s:ß")).status == 503
    resource.prlimit(pid, resource.RLIMIT_AS, limits)
    assert ask(worker, "/p", basic("bob:s:ß")).status == 200


def test_options_take_no_password_but_its_hash() -> None:
    for stored in ("secret", "$scrypt$nonsense"):
        with pytest.raises(ValidationError, match="scrypt hash"):
            read_options(
                KIND.options,
                {
                    "kind": "http",
                    "address": LOOPBACK,
                    "routes": [{**PRIVATE, "users": {"b": stored}}],
                },
            )


def test_networks_are_allowed_or_denied(start: Start) -> None:
    worker = start(
        {"path": "/in", "text": "x", "allow": "127.0.0.0/8"},
        {"path": "/out", "text": "x", "allow": "10.0.0.0/8"},
        {"path": "/not", "text": "x", "deny": "127.0.0.1"},
    )
    for _ in range(2):
        assert [ask(worker, target).status for target in ("/in", "/out", "/not")] == [200, 403, 403]
    assert worker.await_counters(lambda c: c["denied_clients"] == 4)["cache_hits"] == 1


def test_a_network_that_is_not_allowed_gets_no_cached_response(start: Start) -> None:
    worker = start({"path": "/", "text": "x", "allow": "127.0.0.2"})
    for source, status in [("127.0.0.2", 200), ("127.0.0.3", 403)] * 3:
        with worker.connect(source=source) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert Response(sock).status == status
    assert hits(worker, 6) == 2


def test_the_address_behind_a_trusted_proxy_is_checked(start: Start) -> None:
    route = {"path": "/", "text": "x", "allow": ["192.0.2.0/24", "2001:db8::/32"]}
    behind = start(route, forwarded_from=["127.0.0.1", "10.0.0.0/8"])
    bare = start(route)
    for forwarded, status in (
        ("192.0.2.9", 200),
        ("192.0.2.9:4711, 10.1.1.1:80", 200),
        ("[2001:db8::9]:4711, 10.1.1.1", 200),
        ("192.0.2.9, [2001:db9::9]", 403),
        ("6.6.6.6, 192.0.2.9, 10.1.1.1", 200),
        ("192.0.2.9, 6.6.6.6", 403),
        ("192.0.2.9, garbage", 403),
    ):
        assert ask(behind, "/", f"X-Forwarded-For: {forwarded}").status == status, forwarded
        assert ask(bare, "/", f"X-Forwarded-For: {forwarded}").status == 403, forwarded


@pytest.mark.parametrize(
    ("line", "status"),
    [("X: y", 401), (basic("bob:wrong"), 401), (basic("bob:s:ß"), 100)],
)
def test_a_body_is_called_for_only_after_the_password(start: Start, line: str, status: int) -> None:
    worker = start({"path": "/e", "echo": "body", "users": {"bob": HASH}})
    head = f"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n{line}"
    with worker.connect() as sock:
        for _ in range(2):  # the password is checked, then known
            sock.sendall(f"{head}\r\n\r\n".encode())
            if status != 100:
                assert read_all(sock).startswith(b"HTTP/1.1 401 ")
                return
            assert read_exactly(sock, 25) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(b"hi")
            response = b""
            while not response.endswith(b"\r\n\r\nhi"):
                response += sock.recv(65536)
            assert response.startswith(b"HTTP/1.1 200 ")


def test_a_body_is_not_called_for_from_a_network_that_is_denied(start: Start) -> None:
    worker = start({"path": "/e", "echo": "body", "deny": ["127.0.0.0/8"]})
    head = "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with worker.connect() as sock:
        sock.sendall(head.encode())
        assert read_all(sock).startswith(b"HTTP/1.1 403 ")

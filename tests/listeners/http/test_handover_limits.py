"""What a handover does not carry, and what it undoes: TLS, the log, damaged states, `resume`."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netd.errors import StateError
from tests.listeners.http.http_client import GET_HELLO, HELLO, write
from tests.listeners.http.succession import WITHIN_S, Client, Succession, open_files
from tests.support import PATIENCE_S, make_certificate

Succeed = Callable[..., Succession]
STATUS = {"path": "/status", "status": True}
GET_STATUS = b"GET /status?json HTTP/1.1\r\nHost: x\r\n\r\n"
GET_FILE = b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
GOLDEN = Path(__file__).parents[2] / "cases" / "http" / "handover"


class TlsClient:
    """TLS over the socket of a client."""

    def __init__(self, client: Client, certificate: str) -> None:
        self._client = client
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=certificate)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # a default of Python 3.11.2
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="one.test")
        self._call(self._tls.do_handshake)

    def send(self, data: bytes) -> None:
        self._call(self._tls.write, data)
        self._client.send(self._outgoing.read())

    def receive(self) -> bytes:
        """Some bytes; empty after close_notify. An end without it raises ssl.SSLEOFError."""
        data: bytes = self._call(self._tls.read, 65536)
        return data

    def rest(self) -> bytes:
        return b"".join(iter(self.receive, b""))

    def _call(self, call: Callable[..., Any], *arguments: object) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                result = call(*arguments)
            except ssl.SSLWantReadError:
                self._transfer()
            except ssl.SSLZeroReturnError:
                return b""
            else:
                self._transfer()
                return result
        raise AssertionError("the server sends nothing")

    def _transfer(self) -> None:
        client = self._client
        if data := self._outgoing.read():
            client.send(data)
        client.receive()
        if client.received:
            self._incoming.write(client.received)
            client.received = b""
        if client.is_at_end:
            self._incoming.write_eof()


@pytest.fixture
def secure(succeed: Succeed, tmp_path: Path) -> Succession:
    tls = make_certificate(tmp_path, "one.test")
    text = {"path": "/text", "text": "x" * 4_000_000}
    return succeed(HELLO, text, STATUS, tls=tls, proxy_protocol_from="127.0.0.2")


def connect(succession: Succession) -> TlsClient:
    return TlsClient(succession.connect(), succession.options["tls"]["certificate"])


def test_an_idle_tls_connection_is_closed_properly(secure: Succession) -> None:
    client = connect(secure)
    client.send(GET_HELLO)
    assert client.receive().endswith(HELLO["text"].encode())
    secure.hand_over()
    assert client.receive() == b""


def test_a_response_over_tls_is_sent_to_its_end(secure: Succession) -> None:
    deferred, sending = connect(secure), connect(secure)
    deferred.send(GET_STATUS)
    secure.turn_until(lambda: secure.daemon.waiting)
    sending.send(b"GET /text HTTP/1.1\r\nHost: x\r\n\r\n")
    prepared: list[bool] = []
    secure.service.prepare_handover(WITHIN_S, lambda: prepared.append(True))
    secure.daemon.respond(state="serving")
    assert b"\r\nConnection: close\r\n" in deferred.rest()
    assert sending.rest().endswith(b"x" * 4_000_000)
    secure.turn_until(lambda: prepared)
    assert secure.figures()["connections"] == 0


def test_no_tls_connection_begins_meanwhile(secure: Succession) -> None:
    deferred = connect(secure)
    deferred.send(GET_STATUS)
    secure.turn_until(lambda: secure.daemon.waiting)
    secure.service.prepare_handover(WITHIN_S, lambda: None)
    waiting = secure.connect(must_wait=True)
    assert (secure.figures()["connections"], waiting.received) == (1, b"")
    secure.service.resume()
    certificate = secure.options["tls"]["certificate"]
    kept = TlsClient(waiting, certificate)
    secure.daemon.respond(state="serving")
    for client in (kept, deferred):
        client.send(GET_HELLO)
        answer = b""
        while not answer.endswith(HELLO["text"].encode()):
            answer += client.receive()
        assert b"Connection: close" not in answer


def test_a_tls_connection_that_takes_too_long_is_lost(secure: Succession) -> None:
    client = connect(secure)
    client.send(GET_STATUS)
    secure.turn_until(lambda: secure.daemon.waiting)
    assert not secure.hand_over(within_s=0.05).descriptors
    with pytest.raises(ssl.SSLError, match=r"(?i)eof"):
        client.rest()


def test_a_connection_whose_handshake_has_not_begun_delays_nothing(secure: Succession) -> None:
    silent = secure.connect()
    secure.hand_over(within_s=10 * PATIENCE_S)
    client = TlsClient(silent, secure.options["tls"]["certificate"])
    client.send(GET_HELLO)
    assert client.receive().endswith(HELLO["text"].encode())
    assert secure.figures()["accepted"] == 0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def test_every_response_is_logged_once(succeed: Succeed, log: Path) -> None:
    succession = succeed(HELLO, access_log=str(log))
    client = succession.connect()
    for number in range(5):
        client.ask(GET_HELLO)
        succession.prepare()
        assert len(lines(log)) == 1 + 2 * number
        client.ask(GET_HELLO)
        handover = succession.service.save()
        assert len(handover.state["log_entries"]) == 1
        assert len(lines(log)) == 1 + 2 * number
        succession.service.resume()
        succession.hand_over()
        succession.prepare()
        assert len(lines(log)) == 2 + 2 * number
        succession.service.resume()


def test_entries_go_to_the_log_of_the_next_service(succeed: Succeed, log: Path) -> None:
    succession = succeed(HELLO, access_log=str(log))
    client = succession.connect()
    succession.prepare()
    client.ask(GET_HELLO)
    handover = succession.save()
    succession.end()
    succession.options["access_log"] = f"{log}-2"
    succession.start()
    succession.service.load(handover.state)(dict(enumerate(handover.descriptors)))
    succession.prepare()
    assert (len(lines(log)), len(lines(Path(f"{log}-2")))) == (0, 1)


def test_a_log_that_cannot_be_written_delays_a_handover_for_a_limited_time(
    succeed: Succeed, log: Path
) -> None:
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    try:
        succession = succeed(HELLO, access_log=str(log))
        client = succession.connect()
        for _ in range(2000):
            client.ask(GET_HELLO)
        before = succession.loop.now
        succession.prepare(0.2)
        assert succession.loop.now - before > 0.1
        succession.service.resume()
        client.ask(GET_HELLO)
        data = b""

        def read() -> int:
            nonlocal data
            with contextlib.suppress(BlockingIOError):
                data += os.read(reader, 65536)
            return data.count(b"\n") == 2001

        succession.turn_until(read)
    finally:
        os.close(reader)


def test_resume_continues_as_before(succeed: Succeed, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(3_000_000))
    succession = succeed(HELLO, STATUS, {"path": "/", "directory": str(tmp_path)})
    reading, idle, head, deferred = (succession.connect() for _ in range(4))
    reading.send(GET_FILE)
    head.send(GET_HELLO[:9])
    deferred.send(GET_STATUS)
    succession.turn_until(lambda: succession.daemon.waiting)
    for within_s in (WITHIN_S, 0):
        succession.service.prepare_handover(within_s, lambda: None)
        succession.turn()
        if not within_s:
            for fd in succession.save(0).descriptors:
                os.close(fd)
        succession.service.resume()
    assert idle.ask(GET_HELLO)[0] == 200
    assert head.ask(GET_HELLO[9:])[0] == 200
    assert reading.response() == (200, (tmp_path / "file").read_bytes())
    succession.daemon.respond(state="serving")
    assert deferred.response()[0] == 200
    assert succession.connect().ask(GET_HELLO)[0] == 200
    assert succession.figures()["accepted"] == 5


def test_a_service_can_take_over_from_several_and_from_none(succeed: Succeed) -> None:
    first, second = succeed(HELLO), succeed(HELLO)
    clients = [first.connect(), second.connect(), second.connect()]
    handovers = [first.save(), second.save()]
    first.end()
    second.end()
    first.start()
    second.start()
    attach = [first.service.load(handover.state) for handover in handovers]
    for call, handover in zip(attach, handovers, strict=True):
        call(dict(enumerate(handover.descriptors)))
    for client in clients:
        client.succession = first
        assert client.ask(GET_HELLO)[0] == 200
    assert first.figures()["connections"] == 3
    second.service.load({})({})
    assert second.figures()["connections"] == 0


def test_a_connection_whose_descriptor_is_missing_is_lost(succeed: Succeed, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(3_000_000))
    succession = succeed(HELLO, {"path": "/", "directory": str(tmp_path)})
    before = open_files()
    clients = [succession.connect() for _ in range(3)]
    for client in clients[1:]:
        client.send(GET_FILE)
        client.receive_bytes(1)
    handover = succession.save()
    succession.end()
    succession.start()
    idle, *reading = handover.state["connections"]
    files = [connection["unsent"][-1]["descriptor"] for connection in reading]
    lost = {idle["descriptor"], reading[0]["descriptor"], files[1]}
    for position in lost:
        os.close(handover.descriptors[position])
    kept = {i: fd for i, fd in enumerate(handover.descriptors) if i not in lost}
    succession.service.load(handover.state)(kept)
    assert [len(client.rest()) < 3_000_000 for client in clients] == [True] * 3
    assert (succession.figures()["connections"], succession.figures()["truncated"]) == (0, 1)
    assert open_files() == before


def every_state(succession: Succession, directory: Path) -> list[Client]:
    """Connections in every state that can be saved; their service has HELLO, an echo and files."""
    requests = {
        "unused": b"",
        "idle": GET_HELLO,
        "in a head": b"\r\n" + GET_HELLO[:20],
        "in a body": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
        "in a chunk": CHUNKED + b"5\r\nab",
        "in trailers": CHUNKED + b"2\r\nab\r\n0\r\nA: b\r\nC",
        "deferred": GET_STATUS + GET_HELLO,
        "sending": GET_FILE + GET_HELLO[:20],
        "lingering": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nab",
    }
    assert (directory / "file").exists()
    clients = []
    for request in requests.values():
        clients.append(succession.connect())
        clients[-1].send(HEADER + request)
    clients.append(succession.connect())
    clients[-1].send(HEADER[:9])
    return clients


def damaged(state: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The state with each value replaced, one after the other, by those of other types."""
    values = state.items() if isinstance(state, dict) else enumerate(state)
    for key, value in list(values):
        others: tuple[Any, ...] = (None, 1.5, "x", [], {}, -1, [None], "\u0394", True)
        for other in others:
            if type(other) is not type(value):
                state[key] = other
                yield (*path, key), copy.deepcopy(other)
        state[key] = value
        if isinstance(value, dict | list):
            yield from damaged(value, (*path, key))


def test_a_damaged_state_changes_nothing(succeed: Succeed, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(3_000_000))
    routes = HELLO, STATUS, {"path": "/echo", "echo": "body"}
    files = {"path": "/", "directory": str(tmp_path)}
    options = {"proxy_protocol_from": "127.0.0.0/8", "max_body": 1000}
    succession = succeed(*routes, files, **options)
    every_state(succession, tmp_path)
    handover = succession.save(0)
    for fd in handover.descriptors:
        os.close(fd)
    other = succeed(*routes, files, **options)
    refused = accepted = 0
    for path, _ in damaged(handover.state):
        try:
            other.service.load(handover.state)
            accepted += 1
            # A float may be written as an integer, and may be null only where a record may.
            assert path[-1] in {"deadline", "exchange", "body", "chunked", "unsent"} or isinstance(
                path[-1], int
            ), path
        except StateError:
            refused += 1
    assert refused > 20 * accepted
    assert other.figures()["connections"] == 0
    assert other.connect().ask(HEADER + GET_HELLO)[0] == 200
    succession.service.resume()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"descriptor": 1}, "used twice"),
        ({"state": "CLOSED"}, "another process"),
        ({"state": "HANDSHAKE", "unsent": ["x"]}, "an idle connection"),
        ({"state": "HEAD"}, "without its bytes"),
        ({"unsent": ["x"]}, "an idle connection"),
        ({"state": "SENDING", "unsent": [{"descriptor": 3, "offset": 0, "count": -1}]}, "negative"),
        (
            {
                "state": "SENDING",
                "unsent": [{"descriptor": 3, "offset": 0, "count": 1, "is_last": False}],
            },
            "one last part",
        ),
        ({"state": "SENDING", "exchange": {"reader": {"phase": "LENGTH"}}}, "its length"),
        ({"state": "SENDING", "exchange": {"reader": {"phase": "DONE"}}}, "its head"),
        ({"state": "SENDING", "exchange": {"reader": {"phase": "CHUNKED"}}}, "its chunks"),
        ({"state": "SENDING", "exchange": {"reader": {}, "is_deferred": True}}, "its request"),
    ],
)
def test_a_state_that_contradicts_itself_is_refused(
    succeed: Succeed, changes: dict[str, Any], place: str
) -> None:
    idle = {"descriptor": 0, "host": "192.0.2.1", "state": "IDLE", "deadline": 1.0}
    state = {"connections": [{**idle, "descriptor": 1}, {**idle, **changes}]}
    with pytest.raises(StateError, match=place):
        succeed().service.load(state)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_the_states_of_earlier_versions_are_loaded(
    succeed: Succeed, tmp_path: Path, path: Path
) -> None:
    """`sent` is what each client sends after the handover, `received` what it gets."""
    case = json.loads(path.read_text())
    content = b"0123456789" * 10_000
    write(tmp_path / "file", content.decode())
    succession = succeed(
        *(HELLO, STATUS, {"path": "/echo", "echo": "body"}),
        {"path": "/", "directory": str(tmp_path)},
        proxy_protocol_from="127.0.0.0/8",
    )
    now = succession.loop.now
    descriptors, clients = {}, {}
    for position, use in enumerate(case["descriptors"]):
        if use == "file":
            descriptors[position] = os.open(tmp_path / "file", os.O_RDONLY)
        else:
            ours, theirs = socket.socketpair()
            theirs.setblocking(False)
            descriptors[position] = ours.detach()
            clients[use] = Client(succession, theirs)
            succession.clients.append(clients[use])
    for record in (*case["state"]["connections"], *case["state"]["proxied"]):
        record["deadline"] += now
    succession.service.load(case["state"])(descriptors)
    succession.turn()
    succession.daemon.respond(state="serving")
    for use, expected in case["clients"].items():
        client = clients[use]
        client.send(expected["sent"].encode())
        wanted = expected["received"].encode("latin-1").replace(b"{file}", content[10:])
        for part in filter(None, wanted.split(b"{...}")):
            client.receive_past(part)
    assert succession.figures()["connections"] == len(clients)

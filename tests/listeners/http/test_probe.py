"""`netd probe` and its curl command."""

from __future__ import annotations

import contextlib
import importlib
import socket

import pytest

from netd.config.address import Address
from netd.config.schema import read_options
from netd.errors import NetdError
from netd.listeners.http import KIND
from netd.listeners.http.options import HttpOptions
from netd.listeners.tls_options import TlsOptions
from tests.listeners.http.http_client import Start
from tests.support import PATIENCE_S, cheap_hash

probing = importlib.import_module("netd.listeners.http.probe")  # the package has the function


def test_probe_and_hint(start: Start) -> None:
    worker = start({"path": "/", "text": "x"})
    assert KIND.probe("web", worker.address(), 5).startswith("200 OK in ")
    plain = HttpOptions(address=(worker.address(),))
    assert KIND.hint(worker.address(), plain) == f"curl http://127.0.0.1:{worker.address().port}/"
    secure = HttpOptions(address=(worker.address(),), tls=(TlsOptions(certificate="x"),))
    assert (
        KIND.hint(worker.address(), secure) == f"curl -k https://127.0.0.1:{worker.address().port}/"
    )
    unix = Address.parse("unix:///s")
    assert KIND.hint(unix, secure) == "curl -k --unix-socket /s https://localhost/"


@pytest.mark.parametrize("reply", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
def test_a_reply_can_come_in_pieces(monkeypatch: pytest.MonkeyPatch, reply: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        monkeypatch.setattr(probing, "connect", lambda _address, _timeout_s: ours)
        monkeypatch.setattr(probing, "receive", lambda sock, _max_bytes, _deadline: sock.recv(3))
        theirs.sendall(reply)
        address = Address.parse("unix:///s")
        assert KIND.probe("web", address, PATIENCE_S).startswith("200 OK in ")
        assert theirs.recv(4096).startswith(b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize("reply", [b"", b"SSH", b"HTTP/1.1 200 OK", b"HTTP/" + bytes(9000)])
def test_a_reply_that_is_not_http_is_a_fault(monkeypatch: pytest.MonkeyPatch, reply: bytes) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    with contextlib.ExitStack() as stack:
        for ours, theirs in pairs:
            stack.enter_context(ours)
            stack.enter_context(theirs)
            theirs.sendall(reply)
            theirs.shutdown(socket.SHUT_WR)
        connections = iter(pairs)
        monkeypatch.setattr(probing, "connect", lambda *_: next(connections)[0])
        with pytest.raises((NetdError, OSError)):
            KIND.probe("web", Address.parse("unix:///s"), 5)


POST = {"path": "/p", "post": "c", "channel": "#c", "nick": "n", "token": "x" * 32}
METRICS = {"path": "/m", "metrics": True}
FOR_USERS = {"users": {"ann": cheap_hash("secret")}, "text": "x"}


@pytest.mark.parametrize(
    ("routes", "hint"),
    [
        ([], "curl http://127.0.0.1:80/"),
        ([{"path": "/hello", "text": "x"}], "curl http://127.0.0.1:80/hello"),
        ([{"path": "/a b", "text": "x"}, {"text": "y"}], "curl http://127.0.0.1:80/"),
        (
            [{"host": "a.test", "path": "/a", "text": "x"}],
            "curl --connect-to ::127.0.0.1:80 http://a.test:80/a",
        ),
        ([POST, METRICS], "curl http://127.0.0.1:80/m"),
        ([FOR_USERS, METRICS], "curl http://127.0.0.1:80/m"),
        ([{"text": "x"}, {"path": "/a b", "chat": "c"}], "http://127.0.0.1:80/a%20b in a browser"),
    ],
)
def test_the_hint_names_a_path_that_a_route_has(routes: list[dict[str, object]], hint: str) -> None:
    address = "tcp://127.0.0.1:80"
    options = read_options(KIND.options, {"kind": "http", "address": address, "routes": routes})
    assert KIND.hint(Address.parse(address), options) == hint

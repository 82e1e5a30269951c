"""`netd probe` and its curl command."""

from __future__ import annotations

import pytest

from netd.config.address import Address
from netd.config.schema import read_options
from netd.listeners.http import KIND
from netd.listeners.http.options import HttpOptions
from netd.listeners.tls_options import TlsOptions
from tests.listeners.http.http_client import Start


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


@pytest.mark.parametrize(
    ("routes", "hint"),
    [
        ([], "curl http://127.0.0.1:80/"),
        ([{"path": "/hello", "text": "x"}], "curl http://127.0.0.1:80/hello"),
        ([{"path": "/a b", "text": "x"}, {"text": "y"}], "curl http://127.0.0.1:80/"),
        ([{"host": "a.test", "path": "/a", "text": "x"}], "curl http://127.0.0.1:80/"),
        ([{"text": "x"}, {"path": "/a b", "chat": "c"}], "http://127.0.0.1:80/a%20b in a browser"),
    ],
)
def test_the_hint_names_a_path_that_a_route_has(routes: list[dict[str, str]], hint: str) -> None:
    address = "tcp://127.0.0.1:80"
    options = read_options(KIND.options, {"kind": "http", "address": address, "routes": routes})
    assert KIND.hint(Address.parse(address), options) == hint

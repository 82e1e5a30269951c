"""`netd probe` and its curl command."""

from __future__ import annotations

from netd.config.address import Address
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

"""Sessions of TLS: any worker of a listener resumes what another one began."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from tests.conftest import StartDaemon
from tests.support import PATIENCE_S, make_certificate


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_each_worker_resumes_a_session(
    version: ssl.TLSVersion, start_daemon: StartDaemon, tmp_path: Path
) -> None:
    tls = make_certificate(tmp_path, "site.test")
    daemon = start_daemon(f"""
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
workers = 2
tls = {{ certificate = "{tls["certificate"]}", key = "{tls["key"]}" }}
""")
    context = ssl.create_default_context(cafile=tls["certificate"])
    context.minimum_version = context.maximum_version = version
    port = daemon.address("web").port
    with contextlib.ExitStack() as stack:

        def connect(session: ssl.SSLSession | None) -> ssl.SSLSocket:
            sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
            client = context.wrap_socket(sock, server_hostname="site.test", session=session)
            stack.enter_context(client)
            client.sendall(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
            assert client.recv(1)  # the tickets of TLS 1.3 came before the response
            return client

        session = connect(None).session
        assert [connect(session).session_reused for _ in range(12)] == [True] * 12

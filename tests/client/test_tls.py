"""netd-chat over TLS, to netd's own TLS listener."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.client.conftest import COMMAND, LOUNGE, Run
from tests.client.observer import Observer
from tests.conftest import StartDaemon
from tests.support import PATIENCE_S, Daemon, make_certificate

pytestmark = pytest.mark.needs("openssl")


@pytest.fixture
def secure(start_daemon: StartDaemon, tmp_path: Path) -> Daemon:
    """A TLS-only chat listener named localhost, with an account for a client certificate."""
    server, bot = (make_certificate(tmp_path, name) for name in ("localhost", "bot"))
    der = ssl.PEM_cert_to_DER_cert(Path(bot["certificate"]).read_text())
    whole = Path(bot["certificate"]).read_text() + Path(bot["key"]).read_text()
    (tmp_path / "whole.pem").write_text(whole)
    return start_daemon(f"""{LOUNGE}
[[listeners.lounge.accounts]]
name = "bot"
fingerprints = "{hashlib.sha256(der).hexdigest()}"
[listeners.lounge.tls]
certificate = "{server["certificate"]}"
key = "{server["key"]}"
client_ca = "{bot["certificate"]}"
""")


def where(daemon: Daemon) -> list[str]:
    port = daemon.address("lounge").port
    return ["--host", "localhost", "--port", str(port), "--tls", "--name", "bot"]


def test_an_encrypted_message_arrives(secure: Daemon, tmp_path: Path, netd_chat: Run) -> None:
    trusted = str(tmp_path / "localhost.pem")
    with Observer(secure.address("lounge"), tls=ssl.create_default_context(cafile=trusted)) as ear:
        given = ["--name", "guest", "--ca-file", trusted, "--send", "hi"]
        done = netd_chat(*where(secure), *given)
        assert (done.returncode, done.stderr) == (0, "")
        assert ear.hear(1) == ["hi"]


def test_a_client_certificate_logs_in(secure: Daemon, tmp_path: Path, netd_chat: Run) -> None:
    given = ["--ca-file", str(tmp_path / "localhost.pem"), "--json", "--send", "hi"]
    done = netd_chat(*where(secure), *given, "--certificate", str(tmp_path / "whole.pem"))
    assert done.returncode == 0, done.stderr
    texts = [json.loads(line).get("text", "") for line in done.stdout.splitlines()]
    assert "You are now logged in as bot" in texts


def test_an_untrusted_certificate_is_not_accepted(secure: Daemon, netd_chat: Run) -> None:
    done = netd_chat(*where(secure), "--send", "hi")
    assert done.returncode == 3
    assert "certificate is not trusted" in done.stderr


def test_an_unusable_client_certificate_is_a_usage_error(netd_chat: Run) -> None:
    without = netd_chat("--certificate", "/nowhere.pem", "--send", "hi")
    assert (without.returncode, without.stderr.split(";")[0]) == (
        2,
        "netd-chat: a certificate is shown under TLS only",
    )
    unreadable = netd_chat("--tls", "--certificate", "/nowhere.pem", "--send", "hi")
    assert unreadable.returncode == 2
    assert "/nowhere.pem: " in unreadable.stderr


def test_a_server_without_tls_is_no_connection(lounge: Daemon, netd_chat: Run) -> None:
    done = netd_chat(str(lounge.address("lounge")), "--tls", "--send", "hi", "--timeout", "5")
    assert done.returncode == 3
    assert "TLS" in done.stderr or "closed" in done.stderr or "no answer" in done.stderr


def test_a_hanging_server_does_not_delay_leaving(tmp_path: Path, home: Path) -> None:
    del home
    files = make_certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["certificate"], files["key"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = ["--host", "localhost", "--port", str(server.getsockname()[1]), "--tls"]
        command = [*COMMAND, *target, "--ca-file", files["certificate"], "--send", "hi"]
        with (
            subprocess.Popen(command) as bot,
            context.wrap_socket(server.accept()[0], server_side=True) as hung,
        ):
            assert hung.recv(1)
            bot.send_signal(signal.SIGTERM)
            assert bot.wait(PATIENCE_S) == 3


def test_a_plain_connection_to_a_tls_server_is_explained(secure: Daemon, netd_chat: Run) -> None:
    done = netd_chat(str(secure.address("lounge")), "--name", "guest", "--send", "hi")
    assert done.returncode == 3
    assert "try --tls" in done.stderr

"""netd-chat over TLS, to netd behind something that ends the encryption."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.config.address import Address
from tests.client.conftest import Run
from tests.client.listener import Listener
from tests.support import Daemon

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its self-signed certificate for localhost, in one file."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-days", "2", "-keyout", str(path), "-out", str(path) + ".crt"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def tls_port(lounge: Daemon, certificate: Path) -> Iterator[int]:
    """A port where the lounge speaks TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        relay = Relay(lounge.address("lounge"), listening, context)
        thread = threading.Thread(target=asyncio.run, args=(relay.run(),))
        thread.start()
        yield listening.getsockname()[1]
        relay.loop.call_soon_threadsafe(relay.over.set)
        thread.join()


class Relay:
    """Ends TLS and passes on what is inside."""

    def __init__(self, to: Address, listening: socket.socket, context: ssl.SSLContext) -> None:
        self._to, self._listening, self._context = to, listening, context
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.over = asyncio.Event()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        self._started.wait()
        assert self._loop is not None
        return self._loop

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(
            self._serve, sock=self._listening.dup(), ssl=self._context
        )
        self._started.set()
        await self.over.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = await asyncio.open_connection(self._to.host, self._to.port)
        await asyncio.gather(_pass(reader, onward[1]), _pass(onward[0], writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


def test_an_encrypted_message_arrives(
    lounge: Daemon, tls_port: int, certificate: Path, netd_chat: Run
) -> None:
    with Listener(lounge.address("lounge")) as ear:
        where = ["--host", "localhost", "--port", str(tls_port), "--tls"]
        done = netd_chat(*where, "--ca-file", str(certificate), "--name", "bot", "--send", "hi")
        assert (done.returncode, done.stderr) == (0, "")
        assert ear.hear(1) == ["hi"]


def test_a_certificate_nobody_vouches_for_is_not_accepted(tls_port: int, netd_chat: Run) -> None:
    done = netd_chat("--host", "localhost", "--port", str(tls_port), "--tls", "--send", "hi")
    assert done.returncode == 3
    assert "certificate is not trusted" in done.stderr


def test_a_server_without_tls_is_no_connection(lounge: Daemon, netd_chat: Run) -> None:
    done = netd_chat(str(lounge.address("lounge")), "--tls", "--send", "hi", "--timeout", "5")
    assert done.returncode == 3
    assert "TLS" in done.stderr or "closed" in done.stderr or "no answer" in done.stderr

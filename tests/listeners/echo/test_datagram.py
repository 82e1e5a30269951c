"""Echo over datagrams."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
from pathlib import Path

import pytest

from netd.listeners.echo import KIND
from netd.listeners.echo.datagram import MAX_DATAGRAM_BYTES
from tests.conftest import StartWorker
from tests.support import PATIENCE_S, stop_process

UDP = "udp://127.0.0.1:0"

both = pytest.mark.parametrize("concurrency", ["fork", "thread"])


def ask(client: socket.socket, data: bytes) -> bytes:
    """Send a datagram until a reply comes: the kernel drops some while its memory is short."""
    client.settimeout(1)
    for _ in range(int(PATIENCE_S)):
        client.send(data)
        with contextlib.suppress(TimeoutError):
            return client.recv(65536)
    raise AssertionError("no reply")


@both
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("size", [0, 1, 1500, 65507])
def test_udp_is_echoed(start_worker: StartWorker, concurrency: str, host: str, size: int) -> None:
    worker = start_worker(KIND, {"concurrency": concurrency}, [f"udp://{host}:0"])
    data = os.urandom(size)
    with worker.connect() as client:
        assert ask(client, data) == data


@both
def test_unix_datagrams_are_echoed_with_a_tag(
    start_worker: StartWorker, tmp_path: Path, concurrency: str
) -> None:
    worker = start_worker(
        KIND, {"concurrency": concurrency, "tag": True}, [f"unixgram://{tmp_path}/echo"]
    )
    tag = f"{worker.process.pid}: " if concurrency == "fork" else "MainThread: "
    with worker.connect() as client:
        client.bind(f"{tmp_path}/client")
        client.send(b"hello")
        assert client.recv(100) == tag.encode() + b"hello"


def test_a_probe_creates_no_file(
    start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start_worker(KIND, {}, [f"unixgram://{tmp_path}/echo"])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "private"))
    assert KIND.probe("echo", worker.address(), PATIENCE_S).startswith("64 bytes back")


def test_a_udp_reply_is_never_larger_than_the_datagram(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {"tag": True}, [UDP])
    with worker.connect() as client:
        client.send(b"hello")
        assert client.recv(100) == b"hello"


def test_every_datagram_of_a_flood_gets_one_reply(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {}, [UDP])
    with worker.connect() as client:
        for start in range(0, 1000, 50):
            sent = [b"%d" % number for number in range(start, start + 50)]
            for datagram in sent:
                client.send(datagram)
            assert [client.recv(100) for _ in sent] == sent
    counters = worker.await_counters(lambda counters: counters["datagrams_out"] == 1000)
    assert counters["datagrams_in"] == 1000


def test_a_unix_peer_without_a_name_is_counted(start_worker: StartWorker, tmp_path: Path) -> None:
    worker = start_worker(KIND, {}, [f"unixgram://{tmp_path}/echo"])
    with worker.connect() as client:
        client.send(b"who am I")
    worker.await_counters(lambda counters: counters["datagrams_refused"] == 1)


def test_a_unix_peer_that_has_closed_is_counted(start_worker: StartWorker, tmp_path: Path) -> None:
    worker = start_worker(KIND, {}, [f"unixgram://{tmp_path}/echo"])
    with worker.connect() as client:
        client.bind(f"{tmp_path}/client")
        os.unlink(f"{tmp_path}/client")
        client.send(b"bye")
    worker.await_counters(lambda counters: counters["datagrams_undelivered"] == 1)


def test_a_unix_peer_with_a_relative_path_is_not_answered(
    start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    worker = start_worker(KIND, {}, [f"unixgram://{tmp_path}/echo"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as victim, worker.connect() as client:
        victim.bind(f"{tmp_path}/here/name")
        monkeypatch.chdir(tmp_path / "there")
        client.bind("name")
        client.send(b"not for the victim")
        worker.await_counters(lambda counters: counters["datagrams_refused"] == 1)
        victim.setblocking(False)
        with pytest.raises(BlockingIOError):
            victim.recv(100)


def test_a_unix_peer_whose_path_becomes_another_file_does_no_harm(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = start_worker(KIND, {}, [f"unixgram://{tmp_path}/echo"])
    name = f"{tmp_path}/client"
    with worker.connect() as client, socket.socket(socket.AF_UNIX) as other:
        client.bind(name)
        stop_process(worker.process.pid)
        client.send(b"hello")
        os.unlink(name)
        other.bind(name)
        os.kill(worker.process.pid, signal.SIGCONT)
        worker.await_counters(lambda counters: counters["datagrams_undelivered"] == 1)


def test_a_datagram_that_is_too_large_is_not_answered(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = start_worker(KIND, {}, [f"unixgram://{tmp_path}/echo"])
    with worker.connect() as client:
        client.bind(f"{tmp_path}/client")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_DATAGRAM_BYTES)
        client.send(bytes(MAX_DATAGRAM_BYTES + 1))
        client.send(b"next")
        assert client.recv(100) == b"next"
    worker.await_counters(lambda counters: counters["datagrams_truncated"] == 1)


@pytest.mark.parametrize("index", [0, 1])
def test_a_source_port_that_could_loop_is_not_answered(
    start_worker: StartWorker, index: int
) -> None:
    worker = start_worker(KIND, {}, [UDP, UDP])
    port, own_port = worker.address().port, worker.address(index).port
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as same_port,
        worker.connect() as client,
    ):
        same_port.bind(("127.0.0.2", own_port))
        same_port.sendto(b"loop", ("127.0.0.1", port))
        client.send(b"fine")
        assert client.recv(100) == b"fine"
        same_port.setblocking(False)
        with pytest.raises(BlockingIOError):
            same_port.recv(100)
    worker.await_counters(lambda counters: counters["datagrams_refused"] == 1)


def test_a_denied_network_gets_no_reply(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {"deny": "127.0.0.0/8"}, [UDP])
    with worker.connect() as client:
        client.send(b"let me in")
    worker.await_counters(lambda counters: counters["datagrams_refused"] == 1)


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "[::]"])
def test_a_reply_has_the_address_that_the_datagram_was_sent_to(
    start_worker: StartWorker, wildcard: str
) -> None:
    worker = start_worker(KIND, {}, [f"udp://{wildcard}:0"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE_S)
        client.connect(("127.0.0.2", worker.address().port))  # receives only from this address
        client.send(b"hello")
        assert client.recv(100) == b"hello"


def test_a_broadcast_is_not_answered(start_worker: StartWorker) -> None:
    worker = start_worker(KIND, {}, ["udp://0.0.0.0:0"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.sendto(b"everybody", ("127.255.255.255", worker.address().port))
    worker.await_counters(lambda counters: counters["datagrams_refused"] == 1)

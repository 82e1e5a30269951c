from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from netd.runtime.systemd import Notifier
from netd.supervisor.descriptor_store import DescriptorStore


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The receiving end of NOTIFY_SOCKET."""
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    monkeypatch.setenv("FDSTORE", "600")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.bind(path)
        yield sock


def received(manager: socket.socket) -> list[str]:
    """The messages so far, each one as its first letters, its label and its descriptors."""
    messages = []
    with contextlib.suppress(BlockingIOError):
        while True:
            data, descriptors, _, _ = socket.recv_fds(manager, 65536, 253)
            for fd in descriptors:
                os.close(fd)
            command, label, *_ = data.decode().split("\n")
            verb = command.removesuffix("=1")
            messages.append(f"{verb} {label.removeprefix('FDNAME=')} {len(descriptors)}")
    return messages


@pytest.fixture
def socks() -> Iterator[Sequence[socket.socket]]:
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(socket.socket()) for _ in range(4)]


@pytest.fixture
def notifier(manager: socket.socket) -> Iterator[Notifier]:
    assert manager.fileno() >= 0
    with contextlib.closing(Notifier()) as notifier:
        yield notifier


def test_only_what_has_changed_is_sent(
    manager: socket.socket, notifier: Notifier, socks: Sequence[socket.socket]
) -> None:
    one, two, three, four = socks
    store = DescriptorStore(notifier, [])
    store.keep({"stored.a": [one, two], "stored.b": [three]})
    assert received(manager) == ["FDSTORE stored.a 2", "FDSTORE stored.b 1"]
    store.keep({"stored.a": [one, two], "stored.b": [three]})
    assert received(manager) == []
    store.keep({"stored.a": [one, two, four]})
    assert received(manager) == ["FDSTOREREMOVE stored.b 0", "FDSTORE stored.a 1"]
    store.keep({"stored.a": [one]})
    assert received(manager) == ["FDSTOREREMOVE stored.a 0", "FDSTORE stored.a 1"]
    store.keep({})
    assert received(manager) == ["FDSTOREREMOVE stored.a 0"]


def test_sockets_from_the_store_are_still_in_it(
    manager: socket.socket, notifier: Notifier, socks: Sequence[socket.socket]
) -> None:
    one, two, of_a_unit, _ = socks
    store = DescriptorStore(notifier, [("stored.a", one), ("stored.b", two), ("web", of_a_unit)])
    store.keep({"stored.a": [one]})
    assert received(manager) == ["FDSTOREREMOVE stored.b 0"]


def test_more_sockets_than_a_message_holds_are_sent_in_several(
    manager: socket.socket, notifier: Notifier
) -> None:
    with contextlib.ExitStack() as opened:
        many = [opened.enter_context(socket.socket()) for _ in range(300)]
        DescriptorStore(notifier, []).keep({"stored.a": many})
    assert received(manager) == ["FDSTORE stored.a 253", "FDSTORE stored.a 47"]


def test_a_socket_that_cannot_be_stored_is_logged_once_and_stored_when_there_is_room(
    manager: socket.socket,
    notifier: Notifier,
    socks: Sequence[socket.socket],
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two, *_ = socks
    store = DescriptorStore(notifier, [])
    for _ in range(2):
        store.keep({"stored.a": [one], "stored.b": [two]}, reserve=599)
    assert received(manager) == ["FDSTORE stored.a 1"]
    [message] = caplog.messages
    assert message == (
        "cannot store a listening socket (stored.b): the descriptor store of the service manager "
        "is full: FileDescriptorStoreMax=600; a restart will refuse connections for a moment"
    )
    assert "stored.b" in store.problem
    store.keep({"stored.b": [two]}, reserve=599)
    assert received(manager) == ["FDSTOREREMOVE stored.a 0", "FDSTORE stored.b 1"]
    assert store.problem == ""

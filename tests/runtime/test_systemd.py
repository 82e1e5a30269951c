from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netd.errors import NotifyError
from netd.runtime import sealed_memory
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.runtime.systemd import Notifier, Passed, take_passed
from tests.support import PATIENCE_S


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The receiving end of NOTIFY_SOCKET."""
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    monkeypatch.delenv("FDSTORE", raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S)
        sock.bind(path)
        yield sock


@pytest.fixture
def notifier(manager: socket.socket) -> Iterator[Notifier]:
    assert manager.fileno() >= 0
    notifier = Notifier()
    yield notifier
    notifier.close()


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before


def receive(manager: socket.socket) -> tuple[str, int]:
    """The next message, and how many descriptors came with it."""
    data, descriptors, _, _ = socket.recv_fds(manager, 65536, 253)
    for fd in descriptors:
        os.close(fd)
    return data.decode(), len(descriptors)


def begin_barrier(notifier: Notifier, timeout_s: float) -> tuple[Loop, list[NotifyError | None]]:
    """A loop on which a barrier was begun, and the list that gets its outcome."""
    loop, outcomes = Loop(EpollPoller()), list[NotifyError | None]()

    def on_done(error: NotifyError | None) -> None:
        outcomes.append(error)
        loop.stop()

    notifier.begin_barrier(loop, timeout_s, on_done)
    assert outcomes == []
    return loop, outcomes


def test_without_a_manager_every_call_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = Notifier()
    assert not notifier.is_managed
    notifier.ready("well")
    notifier.store("label", 0)
    notifier.unstore("label")
    notifier.barrier(0)
    loop, outcomes = begin_barrier(notifier, 0)
    loop.run()
    loop.close()
    assert outcomes == [None]


def test_descriptors_with_one_label_travel_in_one_message(
    notifier: Notifier, manager: socket.socket
) -> None:
    notifier.store("clients", 0, 1, 2)
    assert receive(manager) == ("FDSTORE=1\nFDNAME=clients\nFDPOLL=0", 3)
    notifier.unstore("clients")
    assert receive(manager) == ("FDSTOREREMOVE=1\nFDNAME=clients", 0)


def test_a_report_that_is_not_taken_is_logged_once(
    manager: socket.socket, notifier: Notifier, caplog: pytest.LogCaptureFixture
) -> None:
    os.rename(path := manager.getsockname(), f"{path}.moved")
    for _ in range(3):
        notifier.alive()
    assert caplog.messages == [
        "the service manager does not take messages: no such file or directory"
    ]
    os.rename(f"{path}.moved", path)
    notifier.alive()
    assert receive(manager) == ("WATCHDOG=1", 0)


def test_a_manager_that_has_started_anew_gets_the_reports(
    manager: socket.socket, notifier: Notifier
) -> None:
    notifier.alive()
    path = manager.getsockname()
    manager.close()
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as successor:
        successor.bind(path)
        notifier.alive()
        assert receive(successor) == ("WATCHDOG=1", 0)


def test_a_manager_that_is_gone_or_does_not_read_refuses_to_store(
    notifier: Notifier, manager: socket.socket
) -> None:
    with pytest.raises(NotifyError, match="does not take messages: timed out"):
        list(iter(lambda: notifier.store("label", 0), ...))  # until its queue is full
    manager.close()
    with pytest.raises(NotifyError, match="does not take messages: connection refused"):
        notifier.store("label", 0)
    with pytest.raises(NotifyError, match="does not take messages: connection refused"):
        notifier.unstore("label")
    with pytest.raises(NotifyError, match="does not take messages: connection refused"):
        notifier.barrier(1)


def test_a_descriptor_is_stored_after_others_on_their_way_have_arrived(
    notifier: Notifier, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals, send_fds = iter([errno.ETOOMANYREFS] * 2), socket.send_fds

    def refuse_twice(*arguments: Any) -> int:
        for number in refusals:
            raise OSError(number, os.strerror(number))
        return send_fds(*arguments)

    monkeypatch.setattr(socket, "send_fds", refuse_twice)
    notifier.store("label", 0, timeout_s=PATIENCE_S)
    assert receive(manager) == ("FDSTORE=1\nFDNAME=label\nFDPOLL=0", 1)


@pytest.mark.usefixtures("manager")
def test_a_full_store_is_reported_if_its_size_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FDSTORE", "5")
    notifier = Notifier({"earlier": 1})
    assert notifier.capacity == 5
    notifier.store("label", 0, 1)
    with pytest.raises(NotifyError, match="is full: FileDescriptorStoreMax=5"):
        notifier.store("label", 0, 1, 2)
    with pytest.raises(NotifyError, match="is full"):
        notifier.store("label", 0, reserve=2)
    notifier.unstore("earlier")
    notifier.store("label", 0, reserve=2)
    notifier.close()


def test_a_barrier_ends_when_the_manager_has_read_it(
    notifier: Notifier, manager: socket.socket
) -> None:
    reader = threading.Thread(target=receive, args=[manager])
    reader.start()
    notifier.barrier(PATIENCE_S)
    reader.join()
    loop, outcomes = begin_barrier(notifier, PATIENCE_S)
    assert receive(manager) == ("BARRIER=1", 1)
    loop.run()
    loop.close()
    assert outcomes == [None]


def test_a_barrier_without_an_answer_fails(notifier: Notifier, manager: socket.socket) -> None:
    with pytest.raises(NotifyError, match=r"gave no answer within 0.01 s"):
        notifier.barrier(0.01)
    loop, outcomes = begin_barrier(notifier, 0.01)
    loop.run()
    loop.close()
    assert [str(outcome) for outcome in outcomes] == [
        "the service manager gave no answer within 0.01 s"
    ]
    assert receive(manager) == ("BARRIER=1", 1)


def test_a_barrier_that_cannot_be_sent_fails_on_the_loop(
    notifier: Notifier, manager: socket.socket
) -> None:
    manager.close()
    loop, outcomes = begin_barrier(notifier, PATIENCE_S)
    loop.run()
    loop.close()
    assert [type(outcome) for outcome in outcomes] == [NotifyError]


TAKE = """
import logging, os, sys
from netd.runtime.systemd import take_passed
logging.basicConfig(stream=sys.stdout, format="%(message)s")
count = int(os.environ["LISTEN_FDS"])
passed = take_passed(os.environ)
assert not any(name.startswith("LISTEN") for name in os.environ)
for fd in range(3, 3 + count):
    try:
        assert not os.get_inheritable(fd)
    except OSError:
        print("closed", fd)
print("sockets", [label for label, _ in passed.sockets], "memories", passed.memories)
print("queues", passed.queues, "counts", dict(passed.counts))
"""
PASS = """
import os, sys
from netd.runtime.replace_process import replace_process
labels = sys.argv[2].split(":")
descriptors = list(zip(labels, map(int, sys.argv[3:]), strict=True))
replace_process([sys.executable, "-c", sys.argv[1]], os.environ, descriptors)
"""


def pass_descriptors(*labelled: tuple[str, int]) -> str:
    """The output of a process that takes these descriptors."""
    labels = ":".join(label for label, _ in labelled)
    descriptors = [fd for _, fd in labelled]
    done = subprocess.run(
        [sys.executable, "-c", PASS, TAKE, labels, *map(str, descriptors)],
        pass_fds=descriptors,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("order", [1, -1])
def test_passed_descriptors_are_told_apart_by_their_type(order: int) -> None:
    memory = sealed_memory.seal(b"state")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listening:
        labelled = [("clients", memory), ("clients", ours.fileno()), ("web", listening.fileno())]
        text = pass_descriptors(*labelled[::order])
    os.close(memory)
    first = 3 if order == 1 else 5
    assert f"sockets ['web'] memories {{'clients': {first}}}\n" in text
    assert "queues {'clients': 4} counts {" in text
    assert "'clients': 2" in text


def test_a_second_descriptor_of_a_type_with_one_label_is_closed() -> None:
    memory = sealed_memory.seal(b"state")
    text = pass_descriptors(("clients", memory), ("clients", memory))
    os.close(memory)
    assert "descriptor 4 (clients): another one has the same label; closed" in text
    assert "memories {'clients': 3}" in text


def test_a_passed_descriptor_of_another_type_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        text = pass_descriptors(("opened", file.fileno()))
    assert "BindError: passed descriptor 3 (opened): socket operation on non-socket" in text


def test_a_listening_queue_of_a_socket_unit_is_a_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind("")
        listening.listen()
        assert "sockets ['web'] memories {}\nqueues {}" in pass_descriptors(
            ("web", listening.fileno())
        )


def test_variables_for_another_process_are_not_used() -> None:
    environ = {"LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "web"}
    assert take_passed(environ) == Passed()
    assert environ == {}

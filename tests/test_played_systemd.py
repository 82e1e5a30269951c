"""The played systemd keeps and passes descriptors as systemd does."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench.processes import is_alive
from tests.conftest import StartManaged
from tests.played_systemd import PlayedSystemd, UnitFailedError
from tests.support import find_free_port

_DAEMON = """
import os, signal, socket, sys
def notify(text, *fds):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(os.environ["NOTIFY_SOCKET"])
        socket.send_fds(sock, [text.encode()], fds)
def barrier():
    reader, writer = os.pipe()
    notify("BARRIER=1", writer)
    os.close(writer)
    os.read(reader, 1)
names = os.environ.get("LISTEN_FDNAMES", "")
assert not names or os.environ["LISTEN_PID"] == str(os.getpid())
assert len(names.split(":")) == int(os.environ.get("LISTEN_FDS", "1"))
print("got", names, flush=True)
def wait():
    notify("READY=1")
    number = signal.sigwait({signal.SIGUSR2, signal.SIGTERM})
    return number == signal.SIGUSR2
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})
"""
_PAIR = """
near, far = socket.socketpair()
reader, writer = os.pipe()
"""

Play = Callable[..., PlayedSystemd]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    played: list[PlayedSystemd] = []

    def start(program: str, **options: object) -> PlayedSystemd:
        unit = PlayedSystemd(tmp_path, [sys.executable, "-c", _DAEMON + program])
        played.append(unit)
        for name, value in options.items():
            setattr(unit, name, value)
        unit.start()
        return unit

    yield start
    for unit in played:
        unit.close()


def got(unit: PlayedSystemd) -> list[str]:
    """The names of the descriptors that each process got."""
    lines = unit.log.read_text().splitlines()
    return [line.removeprefix("got ") for line in lines if line.startswith("got ")]


def test_a_restart_passes_what_was_stored_under_its_names(play: Play) -> None:
    unit = play(
        _PAIR + "if wait():\n"
        " notify('FDSTORE=1\\nFDNAME=pair\\nFDPOLL=0', near.fileno(), far.fileno())\n"
        " notify('FDSTORE=1\\nFDNAME=pipe\\nFDPOLL=0', reader)\n"
        " barrier()"
    )
    unit.restart()
    assert got(unit) == ["", "pipe:pair:pair"]
    unit.reexec()
    unit.restart()
    assert got(unit)[2].count(":") == 5
    assert unit.stop() == 0
    assert unit.exits == [0, 0, 0]
    assert unit.stored_names() == []


def test_a_queue_whose_peer_is_closed_is_kept_only_without_polling(play: Play) -> None:
    unit = play(
        _PAIR + "notify('FDSTORE=1\\nFDNAME=polled', far.fileno())\n"
        "os.close(writer)\n"
        "notify('FDSTORE=1\\nFDNAME=kept\\nFDPOLL=0', reader)\n"
        "near.close(); far.close(); barrier(); wait()"
    )
    unit.await_true(lambda: unit.stored_names() == ["kept"], "the polled one to be dropped")


def test_what_exceeds_the_store_and_copies_are_dropped(play: Play) -> None:
    unit = play(
        "copy = os.dup(1)\nfor fd in (1, copy, 0, os.memfd_create('a'), os.memfd_create('b')):\n"
        " notify('FDSTORE=1\\nFDPOLL=0', fd)\n"
        "notify('FDSTORE=1\\nFDNAME=c\\nFDPOLL=0', os.memfd_create('c'))\nwait()",
        max_stored=3,
    )
    unit.await_true(lambda: len(unit.dropped) == 2, "two that are dropped")
    assert unit.dropped == ["stored", "c"]
    assert unit.stored_names() == ["stored"] * 3


def test_descriptors_are_removed_by_name(play: Play) -> None:
    unit = play(
        "for name in 'aab':\n"
        " notify(f'FDSTORE=1\\nFDNAME={name}\\nFDPOLL=0', os.memfd_create(name))\n"
        "notify('FDSTOREREMOVE=1\\nFDNAME=a')\nwait()"
    )
    assert unit.stored_names() == ["b"]


def test_a_daemon_that_fails_is_started_again_with_the_store(play: Play) -> None:
    unit = play(
        "notify('FDSTORE=1\\nFDNAME=a\\nFDPOLL=0', os.memfd_create('a')) if not names else 0\n"
        "sys.exit(75 if wait() else 78)"
    )
    unit.kill(signal.SIGUSR2)
    unit.await_true(lambda: unit.exits, "the end")
    unit.await_ready()
    assert got(unit) == ["", "a"]
    unit.kill(signal.SIGKILL)
    unit.await_true(lambda: len(unit.exits) == 2, "the second end")
    unit.await_ready()
    assert got(unit) == ["", "a", "a"]
    unit.kill(signal.SIGTERM)
    unit.await_true(lambda: len(unit.exits) == 3, "the third end")
    with pytest.raises(UnitFailedError):
        unit.await_ready()
    assert unit.exits == [75, -signal.SIGKILL, 78]
    assert unit.stored_names() == []


def test_children_are_killed_with_the_main_process_and_may_not_notify(play: Play) -> None:
    unit = play("if not (pid := os.fork()):\n notify('STATUS=child'); signal.pause()\nwait()")
    assert len(unit.processes()) == 2
    child = unit.processes()[1]
    assert unit.stop() == 0
    assert not is_alive(child)
    assert unit.values("STATUS") == []


def test_sockets_of_socket_units_come_first(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:
        command = [sys.executable, "-c", _DAEMON + "wait()"]
        with PlayedSystemd(tmp_path, command, sockets=[("web", web)]) as unit:
            unit.start()
            assert got(unit) == ["web"]


def test_a_barrier_can_be_withheld(play: Play) -> None:
    unit = play("wait(); barrier()", replies_to_barriers=False, stop_timeout_s=0.2)
    assert unit.stop() == -signal.SIGKILL


def test_netd_gets_its_sockets_back_after_a_restart(start_managed: StartManaged) -> None:
    daemon = start_managed(
        f'[listeners.echo]\nkind = "echo"\naddress = "tcp://127.0.0.1:{find_free_port()}"\n',
        restart_signal=signal.SIGTERM,
    )
    address = daemon.address("echo")
    assert daemon.systemd.stored_names() == ["configuration", "stored.echo"]
    daemon.systemd.restart()
    assert daemon.address("echo") == address
    assert daemon.systemd.stop() == 0

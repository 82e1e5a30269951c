"""A user whose processes have more descriptors on their way than one may open, unix(7)."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Callable, Iterator

import pytest

from netd.config.address import Address
from netd.config.schema import read_options
from netd.listeners.bundle import pack
from netd.listeners.echo import KIND as ECHO
from netd.listeners.kind import Handover
from netd.protocols.link import HandedOver, Heartbeat, NotHandedOver
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.supervisor.worker_handle import WorkerHandle
from tests.numbering import KIND
from tests.supervisor.test_worker_handle import Recorder
from tests.support import WorkerUnderTest, call_in_child

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")

_LIMIT = 64
_FIRST_UID = 2_000_000_000  # of users that this machine does not have


def as_limited_user(work: Callable[[], None]) -> None:
    """Run a test in a process that may open few descriptors, as a user without other processes.

    The system counts the descriptors on their way for each user: if another process of the user
    receives some, there is room again.
    """

    def run() -> bytes:
        uid = _FIRST_UID + os.getpid()
        os.setresuid(uid, uid, uid)
        resource.setrlimit(resource.RLIMIT_NOFILE, (_LIMIT, _LIMIT))
        work()
        return b"done"

    assert call_in_child(run) == b"done"


@contextlib.contextmanager
def many_on_their_way() -> Iterator[None]:
    """Send descriptors that no process receives, until the system refuses one."""
    sender, receiver = socket.socketpair()
    with sender, receiver:
        with contextlib.suppress(OSError):  # ETOOMANYREFS
            while True:
                socket.send_fds(sender, [b"x"], [sender.fileno()])
        yield


def assert_no_handover(worker: WorkerUnderTest, within_s: float, reason: str) -> None:
    worker.begin_handover(within_s)
    answer = worker.await_message(NotHandedOver, HandedOver)
    assert isinstance(answer, NotHandedOver)
    assert reason in answer.reason


def ask(client: socket.socket) -> bytes:
    client.sendall(b"x\n")
    return client.recv(100)


def test_a_worker_that_cannot_hand_over_says_why_and_serves_on() -> None:
    as_limited_user(_hand_over)


def _hand_over() -> None:
    worker = WorkerUnderTest(KIND, {}, ["tcp://127.0.0.1:0"])
    with contextlib.closing(worker), worker.connect() as client:
        assert ask(client) == b"1\n"
        with many_on_their_way():
            assert_no_handover(worker, 2.0, "more descriptors on their way")
            assert ask(client) == b"2\n"


def test_a_bundle_leaves_room_for_the_messages_that_pass_it_on() -> None:
    as_limited_user(_pack)


def _pack() -> None:
    here, there = socket.socketpair()
    with here, there:
        with pytest.raises(OSError, match="Too many references"):
            pack("numbering", Handover({}, [here.fileno()] * (_LIMIT + 1)))
        pack("numbering", Handover({}, [here.fileno()])).close()


def test_connections_of_echo_that_cannot_be_handed_over_are_served_later() -> None:
    as_limited_user(_hand_over_echo)


def _hand_over_echo() -> None:
    worker = WorkerUnderTest(ECHO, {"spare": 1}, ["tcp://127.0.0.1:0"])
    with contextlib.closing(worker), worker.connect() as client:
        assert ask(client) == b"x\n"
        with many_on_their_way():
            assert_no_handover(worker, 0.2, "too many descriptors")
            worker.await_message(Heartbeat)
        assert ask(client) == b"x\n"


def test_a_worker_that_starts_inherits_its_sockets() -> None:
    as_limited_user(_start)


def _start() -> None:
    recorder, loop = Recorder(), Loop(EpollPoller())
    handle = WorkerHandle(loop, recorder, "numbering", KIND)
    options = read_options(KIND.options, {"address": "tcp://127.0.0.1:0"})
    with (
        contextlib.closing(loop),
        socket.create_server(("127.0.0.1", 0)) as sock,
        many_on_their_way(),
    ):
        handle.start(options, [(Address.parse("tcp://127.0.0.1:0"), sock)])
        while not recorder.events:
            loop.turn()
        assert recorder.events == ["ready"]
        with socket.create_connection(sock.getsockname()) as client:
            assert ask(client) == b"1\n"
        handle.drain(0, stopping=True)
        while recorder.events == ["ready"]:
            loop.turn()

"""A handover between two real workers, with a kind that numbers the lines of each client."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator

import pytest

from netd.errors import StateError
from netd.listeners.bundle import Bundle, of_descriptors, pack, read_state, take_descriptors
from netd.listeners.kind import Handover
from netd.protocols.link import Failed, HandOver, NotHandedOver, format_message
from netd.runtime import sealed_memory
from tests.numbering import KIND
from tests.support import PATIENCE_S, WorkerUnderTest, read_exactly


@pytest.fixture
def old() -> Iterator[WorkerUnderTest]:
    with contextlib.closing(WorkerUnderTest(KIND, {}, ["tcp://127.0.0.1:0"])) as worker:
        yield worker


def ask(client: socket.socket) -> bytes:
    client.sendall(b"x\n")
    return client.recv(100)


def test_another_process_continues_with_the_clients(old: WorkerUnderTest) -> None:
    with old.connect() as first, old.connect() as second:
        assert ask(first) == b"1\n"
        assert ask(second) == b"1\n"
        assert ask(second) == b"2\n"
        with contextlib.closing(old.hand_over()) as bundle:
            first.sendall(b"while\nfrozen\n")
            with contextlib.closing(old.succeed({}, bundle)) as new:
                old.dismiss()
                new.go()
                assert read_exactly(first, 4) == b"2\n3\n"
                assert ask(second) == b"3\n"
                with new.connect() as third:
                    assert ask(third) == b"1\n"


def test_a_frozen_worker_moves_no_byte_and_resumes(old: WorkerUnderTest) -> None:
    with old.connect() as client:
        assert ask(client) == b"1\n"
        with contextlib.closing(old.hand_over()):
            client.sendall(b"x\n")
            old.await_counters(bool)  # it still gives heartbeats
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(100)
            old.resume()
        client.settimeout(PATIENCE_S)
        assert client.recv(100) == b"2\n"
        with contextlib.closing(old.hand_over()):
            old.resume()
        assert ask(client) == b"3\n"


def test_a_successor_serves_nobody_before_it_may(old: WorkerUnderTest) -> None:
    with (
        contextlib.closing(old.hand_over()) as bundle,
        contextlib.closing(old.succeed({}, bundle)) as new,
        old.connect() as client,
    ):
        client.sendall(b"x\n")
        new.await_counters(bool)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(100)
        new.drain()
        assert new.await_exit().status == 0
        old.resume()
        client.settimeout(PATIENCE_S)
        assert client.recv(100) == b"1\n"


def test_a_worker_that_cannot_hand_over_continues(old: WorkerUnderTest) -> None:
    with old.connect() as client:
        client.sendall(b"broken\n")
        assert client.recv(100) == b"1\n"
        old._channel.send(format_message(HandOver(1.0)))
        assert old.await_message(NotHandedOver) == NotHandedOver("ZeroDivisionError()")
        assert ask(client) == b"2\n"


def test_a_state_that_cannot_be_loaded_is_a_failure() -> None:
    with contextlib.closing(pack("numbering", Handover({"no": "counts"}))) as bundle:
        successor = WorkerUnderTest(KIND, None, ["tcp://127.0.0.1:0"])
        with contextlib.closing(successor):
            successor.bundles = [bundle]
            assert successor.ask_configure({}) == Failed("no counts")


def test_clients_whose_worker_and_bundle_are_gone_are_disconnected(old: WorkerUnderTest) -> None:
    with old.connect() as client:
        assert ask(client) == b"1\n"
        bundle = old.hand_over()
        old.dismiss()
        assert ask_nothing(client)
        bundle.close()
        assert client.recv(100) == b""


def ask_nothing(client: socket.socket) -> bool:
    """Whether the connection is open and silent."""
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        client.recv(1)
        return False
    client.settimeout(PATIENCE_S)
    return True


# The bundle


@pytest.mark.usefixtures("many_descriptors")
def test_thousands_of_descriptors_arrive_in_order() -> None:
    pairs = [socket.socketpair() for _ in range(700)]
    try:
        handover = Handover({"a": "\xff\x00"}, [left.fileno() for left, _ in pairs])
        with contextlib.closing(pack("k", handover)) as bundle:
            saved = read_state(bundle, "k")
            assert saved.state == {"a": "\xff\x00"}
            taken = take_descriptors(bundle, saved.cookies)
        assert list(taken) == list(range(700))
        for position, fd in taken.items():
            os.write(fd, b"%d" % position)
            os.close(fd)
        assert [right.recv(10) for _, right in pairs] == [b"%d" % n for n in range(700)]
    finally:
        for left, right in pairs:
            left.close()
            right.close()


def test_a_descriptor_that_is_not_the_packed_one_is_closed() -> None:
    left, right = socket.socketpair()
    reader, writer = os.pipe()
    with left, right, open(reader, "rb"), open(writer, "wb"):
        with contextlib.closing(pack("k", Handover({}, [left.fileno(), reader]))) as bundle:
            taken = take_descriptors(bundle, [right.fileno(), 0])
        assert list(taken) == [1]
        os.close(taken[1])


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"format": [2, 0], "kind": "k"}', b'{"format": [1, 9], "kind": "other"}'],
)
def test_a_state_that_is_not_one_is_refused(content: bytes) -> None:
    with (
        contextlib.closing(Bundle(sealed_memory.seal(content), None)) as bundle,
        pytest.raises(StateError),
    ):
        read_state(bundle, "k")


def test_a_later_minor_version_is_read() -> None:
    content = b'{"format": [1, 99], "kind": "k", "state": {"b": 1}, "cookies": [], "new": 1}'
    with contextlib.closing(Bundle(sealed_memory.seal(content), None)) as bundle:
        assert read_state(bundle, "k").state == {"b": 1}


def test_a_bundle_is_told_from_its_descriptors_in_any_order() -> None:
    made = pack("k", Handover({}))
    assert of_descriptors(reversed(made.descriptors)) == made
    made.close()
    with pytest.raises(StateError, match="0 descriptors"):
        of_descriptors([])
    ends = os.pipe()
    with pytest.raises(StateError):
        of_descriptors(ends)
    for end in ends:
        with pytest.raises(OSError, match="Bad file"):
            fcntl.fcntl(end, fcntl.F_GETFD)

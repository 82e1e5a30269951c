from __future__ import annotations

import errno
import os
import select
import socket
from typing import Any

import pytest

from netd.runtime import descriptors, fd_channel
from netd.runtime.descriptors import MAX_DESCRIPTORS
from netd.runtime.fd_channel import ChannelClosedError, FdChannel
from tests.support import PATIENCE_S


def test_lines_arrive_complete_and_in_order() -> None:
    ours, theirs = FdChannel.pair()
    ours.send(b"one\n")
    ours.send(b"two\n")
    assert theirs.receive() == [b"one", b"two"]
    assert theirs.receive() == []
    ours.close()
    theirs.close()


def test_lines_are_returned_though_the_next_call_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = FdChannel.pair()
    receive, errors = descriptors.receive, iter([None, errno.ENOMEM, errno.ENOMEM])

    def fail_at_times(*arguments: Any) -> Any:
        if error := next(errors, None):
            raise OSError(error, os.strerror(error))
        return receive(*arguments)

    monkeypatch.setattr(fd_channel, "receive", fail_at_times)
    ours.send(b"one\ntwo\n")
    assert theirs.receive() == [b"one", b"two"]
    with pytest.raises(OSError, match="Cannot allocate memory"):
        theirs.receive()
    assert theirs.receive() == []
    ours.close()
    theirs.close()


def test_a_descriptor_that_arrives_is_closed_by_execve() -> None:
    ours, theirs = FdChannel.pair()
    ours.send(b"one\n", [0])
    assert theirs.receive() == [b"one"]
    [fd] = theirs.take_descriptors(1)
    assert not os.get_inheritable(fd)
    os.close(fd)
    ours.close()
    theirs.close()


def test_a_line_larger_than_the_socket_buffer_arrives_with_its_descriptor() -> None:
    ours, theirs = FdChannel.pair()
    line = b"x" * 2_000_000 + b"\n"
    left, right = socket.socketpair()
    ours.send(line, [left.fileno()])
    left.close()
    got: list[bytes] = []
    while not got:
        got = theirs.receive()
        ours.flush()
    assert got == [line[:-1]]
    assert not ours.has_unsent
    [passed] = theirs.take_descriptors(1)
    os.write(passed, b"still open")
    assert right.recv(100) == b"still open"
    os.close(passed)
    right.close()
    ours.close()
    theirs.close()


def test_descriptors_arrive_with_their_lines() -> None:
    ours, theirs = FdChannel.pair()
    pipes = [os.pipe() for _ in range(3)]
    ours.send(b"first\n", [pipes[0][1]])
    ours.send(b"second\n", [pipes[1][1], pipes[2][1]])
    assert theirs.receive() == [b"first", b"second"]
    for (reader, writer), passed in zip(pipes, theirs.take_descriptors(3), strict=True):
        os.write(passed, b"!")
        assert os.read(reader, 1) == b"!"
        for fd in (reader, writer, passed):
            os.close(fd)
    ours.close()
    theirs.close()


def test_a_closed_end_is_reported_after_its_last_line() -> None:
    ours, theirs = FdChannel.pair()
    ours.send(b"last words\n")
    ours.close()
    assert theirs.receive() == [b"last words"]
    with pytest.raises(ChannelClosedError):
        theirs.receive()
    theirs.send(b"lost\n")
    theirs.close()


def test_descriptors_that_were_not_taken_are_closed() -> None:
    ours, theirs = FdChannel.pair()
    reader, writer = os.pipe()
    ours.send(b"take it\n", [writer])
    os.close(writer)
    theirs.receive()
    theirs.close()
    assert select.select([reader], [], [], PATIENCE_S)[0], "the pipe's last writer is gone"
    assert os.read(reader, 1) == b""
    os.close(reader)
    ours.close()


def test_too_many_descriptors_are_refused() -> None:
    ours, theirs = FdChannel.pair()
    with pytest.raises(ValueError, match="at most 253"):
        ours.send(b"x\n", range(MAX_DESCRIPTORS + 1))
    ours.close()
    theirs.close()


def test_a_line_that_waits_has_copies_of_its_descriptors() -> None:
    ours, theirs = FdChannel.pair()
    ours.send(b"x" * 2_000_000 + b"\n")
    reader, writer = os.pipe()
    ours.send(b"second\n", [writer])
    os.close(writer)
    got: list[bytes] = []
    while len(got) < 2:
        got += theirs.receive()
        ours.flush()
    [passed] = theirs.take_descriptors(1)
    os.write(passed, b"!")
    os.close(passed)
    assert os.read(reader, 2) == b"!"
    assert os.read(reader, 2) == b"", "no copy is left"
    os.close(reader)
    ours.close()
    theirs.close()


def test_a_line_goes_ahead_of_those_that_wait_but_into_none() -> None:
    ours, theirs = FdChannel.pair()
    long = b"x" * 2_000_000
    ours.send(long + b"\n")
    ours.send_ahead(b"too late\n")
    ours.send(b"last\n")
    got: list[bytes] = []
    while not got:
        got = theirs.receive()
        ours.send_ahead(b"ahead\n")
        ours.flush()
    assert got[0] == long
    assert b"too late" not in got
    theirs.receive()
    ours.close()
    theirs.close()


def test_a_process_inherits_its_first_descriptors() -> None:
    ours, theirs = FdChannel.pair()
    reader, writer = os.pipe()
    theirs.inherit([writer])
    os.close(writer)
    ours.send(b"first\n", [reader])
    assert theirs.receive() == [b"first"]
    inherited, sent = theirs.descriptors
    os.write(inherited, b"!")
    assert os.read(sent, 2) == b"!"
    theirs.close()
    os.close(reader)
    ours.close()

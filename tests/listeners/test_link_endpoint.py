"""The link between supervisor and worker while the system is short of memory."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence

import pytest

from netd.errors import LocalProtocolError
from netd.listeners.link_endpoint import Link
from netd.protocols.link import Heartbeat, LinkMessage, Ready, Retiring
from netd.runtime.fd_channel import FdChannel
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller


class ShortChannel(FdChannel):
    """A channel that the system refuses a few times."""

    error = errno.ENOBUFS
    refused_sends = refused_receipts = 0

    def _write(self, data: memoryview, descriptors: Sequence[int]) -> int:
        if self.refused_sends:
            self.refused_sends -= 1
            raise OSError(self.error, os.strerror(self.error))
        return super()._write(data, descriptors)

    def receive(self) -> list[bytes]:
        if self.refused_receipts:
            self.refused_receipts -= 1
            raise OSError(self.error, os.strerror(self.error))
        return super().receive()


class Pair:
    """A link over a ShortChannel, and the link at the other end."""

    def __init__(self) -> None:
        self.loop = Loop(EpollPoller())
        self.received: list[LinkMessage] = []
        self.errors: list[OSError | LocalProtocolError] = []
        left, right = socket.socketpair()
        self.channel = ShortChannel(left)
        self.link, self.other = (
            Link(
                self.loop,
                channel,
                on_message=self.received.append,
                on_closed=lambda: None,
                on_error=self.errors.append,
            )
            for channel in (self.channel, FdChannel(right))
        )

    def await_messages(self, count: int) -> list[LinkMessage]:
        while len(self.received) < count:
            self.loop.turn()
        return self.received

    def close(self) -> None:
        self.link.close()
        self.other.close()
        self.loop.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def test_a_message_that_the_system_has_no_buffer_for_is_sent_later(pair: Pair) -> None:
    pair.channel.refused_sends = 3
    pair.link.send(Ready())
    pair.link.send(Retiring())
    assert pair.await_messages(2) == [Ready(), Retiring()]
    assert not pair.errors


def test_a_message_that_the_system_has_no_memory_for_is_received_later(pair: Pair) -> None:
    pair.channel.refused_receipts = 2
    pair.other.send(Ready())
    assert pair.await_messages(1) == [Ready()]
    assert not pair.errors


def test_another_error_is_reported(pair: Pair) -> None:
    pair.channel.error = errno.EACCES
    pair.channel.refused_sends = 1
    pair.link.send(Ready())
    [error] = pair.errors
    assert isinstance(error, PermissionError)


def test_messages_are_received_while_others_cannot_be_sent(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.channel.error = errno.ETOOMANYREFS
    pair.channel.refused_sends = 10**9
    pair.link.send(Ready())
    pair.other.send(Retiring())
    assert pair.await_messages(1) == [Retiring()]
    [record] = caplog.records
    assert "more descriptors on their way" in record.message
    assert "more descriptors on their way" in pair.link.obstacle
    pair.channel.refused_sends = 0
    assert pair.await_messages(2)[1] == Ready()
    assert not pair.link.obstacle


def test_a_message_is_sent_without_the_loop_once_the_system_has_room(pair: Pair) -> None:
    pair.channel.error = errno.ETOOMANYREFS
    pair.channel.refused_sends = 3
    pair.link.send(Ready())
    while pair.link.has_unsent:
        pair.link.wait(60)
    assert pair.await_messages(1) == [Ready()]


def test_a_heartbeat_goes_ahead_of_a_message_that_cannot_be_sent(pair: Pair) -> None:
    pair.channel.error = errno.ETOOMANYREFS
    pair.channel.refused_sends = 1
    pair.link.send(Ready())
    pair.link.send_ahead(Heartbeat())
    assert pair.await_messages(2) == [Heartbeat(), Ready()]

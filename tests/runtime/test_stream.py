from __future__ import annotations

import gc
import socket
import ssl
import struct
import weakref
from collections.abc import Callable
from functools import partial

import pytest

from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.runtime.stream import Stream
from netd.runtime.tls import TlsStream
from tests.support import PATIENCE_S, find_free_port


class Owner:
    """An owner that refers to its stream, as the stream does to it."""

    def __init__(self, loop: Loop, make: Callable[..., Stream | TlsStream]) -> None:
        ours, self.sock = socket.socketpair()
        self.stream = make(
            loop,
            ours,
            on_data=self.on_event,
            on_end=self.on_event,
            on_closed=self.on_event,
            max_unsent_bytes=100,
        )
        self.stream.when_drained(self.on_event)

    def on_event(self, *_: object) -> None:
        """Ignore it."""


class Peer:
    """A stream on a loop, its callbacks' arguments, and the socket at the other end."""

    def __init__(self, max_unsent_bytes: int = 1 << 20) -> None:
        self.loop = Loop(EpollPoller())
        ours, self.sock = socket.socketpair()
        self.sock.settimeout(PATIENCE_S)
        self.got: list[bytes] = []
        self.ended = False
        self.closed: list[str] = []
        self.stream = Stream(
            self.loop,
            ours,
            on_data=self.got.append,
            on_end=self._on_end,
            on_closed=self.closed.append,
            max_unsent_bytes=max_unsent_bytes,
        )

    def _on_end(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.stream.close("test over")
        self.sock.close()
        self.loop.close()


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.mark.parametrize(
    "make",
    [Stream, partial(TlsStream, context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))],
    ids=["plain", "tls"],
)
def test_a_closed_stream_and_its_owner_are_no_cycle(
    make: Callable[..., Stream | TlsStream],
) -> None:
    loop = Loop(EpollPoller())
    gc.collect()
    gc.disable()
    try:
        owner = Owner(loop, make)
        owner.sock.close()
        owner.stream.close("test over")
        known = weakref.ref(owner)
        del owner
        assert known() is None
    finally:
        gc.enable()
    loop.close()


def test_data_is_received_and_sent(peer: Peer) -> None:
    peer.sock.send(b"in")
    peer.loop.turn()
    peer.stream.write(b"o")
    peer.stream.write(b"ut")
    peer.loop.turn()
    assert (peer.got, peer.sock.recv(10)) == ([b"in"], b"out")
    assert (peer.stream.bytes_in, peer.stream.bytes_out) == (2, 3)
    peer.close()


def test_a_peer_that_is_sending_gets_the_last_bytes_and_the_end(peer: Peer) -> None:
    peer.stream.pause()
    peer.stream.write(b"last")
    peer.stream.finish("done")
    peer.sock.send(b"unread")
    peer.loop.turn()
    assert (peer.sock.recv(10), peer.sock.recv(10)) == (b"last", b"")
    peer.sock.send(b"unread too")
    peer.loop.turn()
    assert (peer.closed, peer.got) == ([], [])
    peer.sock.close()
    peer.loop.turn()
    assert peer.closed == ["done"]
    peer.close()


def test_a_peer_that_goes_on_sending_is_not_awaited_for_ever(peer: Peer) -> None:
    peer.stream.pause()
    peer.stream.finish("done")
    peer.sock.send(b"unread")
    peer.loop.turn()
    assert peer.closed == []
    while not peer.closed:
        peer.loop.turn()
    assert (peer.closed, peer.sock.recv(10)) == (["done"], b"")
    peer.close()


def test_a_stream_can_write_after_the_peers_end_of_file(peer: Peer) -> None:
    peer.sock.shutdown(socket.SHUT_WR)
    peer.loop.turn()
    assert peer.ended
    assert not peer.closed
    peer.stream.write(b"late")
    peer.stream.finish("done")
    peer.loop.turn()
    assert peer.sock.recv(10) == b"late"
    assert peer.sock.recv(10) == b""
    assert peer.closed == ["done"]
    assert not peer.stream.has_overflowed
    peer.close()


def test_a_slow_reader_gets_everything_before_the_close(peer: Peer) -> None:
    data = bytes(range(256)) * 4000
    peer.stream.write(data)
    peer.stream.finish("done")
    got = b""
    while len(got) < len(data):
        peer.loop.turn()
        got += peer.sock.recv(1 << 20)
    assert got == data
    while not peer.closed:
        peer.loop.turn()
    assert peer.closed == ["done"]
    peer.close()


def test_a_peer_that_does_not_read_is_closed_at_the_limit() -> None:
    peer = Peer(max_unsent_bytes=1000)
    peer.stream.write(b"x" * 10_000_000)
    peer.loop.turn()
    assert peer.closed == ["output queue exceeded"]
    assert peer.stream.has_overflowed
    assert not peer.stream.is_open
    peer.close()


def test_a_reset_is_reported_once() -> None:
    loop, _, closed = _reset()
    while not closed:
        loop.turn()
    assert closed == ["connection reset by peer"]
    loop.close()


def test_send_writes_at_once_but_after_queued_data(peer: Peer) -> None:
    peer.stream.send(b"one ")
    assert peer.sock.recv(10) == b"one "
    peer.stream.write(b"two ")
    peer.stream.send(b"three")
    peer.loop.turn()
    assert peer.sock.recv(20) == b"two three"
    assert (peer.stream.bytes_out, peer.stream.unsent_bytes) == (13, 0)
    peer.close()


def test_data_for_a_slow_reader_waits(peer: Peer) -> None:
    data = bytes(range(256)) * 4000
    peer.stream.send(data[:500_000])
    peer.stream.send(data[500_000:])
    got = b""
    while len(got) < len(data):
        peer.loop.turn()
        got += peer.sock.recv(1 << 20)
    assert got == data
    peer.close()


def test_send_to_a_peer_that_does_not_read_is_closed_at_the_limit() -> None:
    peer = Peer(max_unsent_bytes=1000)
    peer.stream.send(b"x" * 10_000_000)
    assert not peer.closed
    peer.loop.turn()
    assert peer.closed == ["output queue exceeded"]
    peer.stream.send(b"x")
    peer.close()


def test_a_reset_found_by_send_is_reported_later() -> None:
    loop, stream, closed = _reset()
    stream.send(b"x")
    assert not closed
    while not closed:
        loop.turn()
    assert closed == ["connection reset by peer"]
    loop.close()


def _reset() -> tuple[Loop, Stream, list[str]]:
    """A stream whose peer has reset the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    loop = Loop(EpollPoller())
    closed: list[str] = []
    stream = Stream(
        loop,
        accepted,
        on_data=lambda _: None,
        on_end=lambda: None,
        on_closed=closed.append,
        max_unsent_bytes=1,
    )
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    return loop, stream, closed


def test_an_icmp_error_ends_only_its_connection() -> None:
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # gets ICMP errors at once
    ours.connect(("127.0.0.1", find_free_port()))
    loop = Loop(EpollPoller())
    closed: list[str] = []
    stream = Stream(
        loop,
        ours,
        on_data=lambda _: None,
        on_end=lambda: None,
        on_closed=closed.append,
        max_unsent_bytes=1,
    )
    stream.send(b"x")
    while not closed:
        loop.turn()
    assert closed == ["connection refused"]
    loop.close()


def test_a_closed_stream_ignores_writes(peer: Peer) -> None:
    peer.stream.close("enough")
    peer.stream.write(b"x")
    peer.stream.close("again")
    assert peer.closed == ["enough"]
    assert peer.sock.recv(10) == b""
    peer.close()


def _continue(peer: Peer, max_unsent_bytes: int = 1 << 20) -> None:
    """Continue the peer's stream on another object, as another process would."""
    before = peer.stream
    peer.stream = Stream(
        peer.loop,
        before.sock.dup(),
        on_data=peer.got.append,
        on_end=peer._on_end,
        on_closed=peer.closed.append,
        max_unsent_bytes=max_unsent_bytes,
    )
    peer.stream.restore(before.state())
    peer.loop.unwatch(before.sock.fileno())
    before.sock.close()


def test_unsent_bytes_are_sent_by_the_stream_that_continues(peer: Peer) -> None:
    sent = bytes(range(256)) * 4000
    peer.stream.write(sent)
    peer.loop.turn()
    assert peer.stream.unsent_bytes
    _continue(peer, max_unsent_bytes=1000)
    received = b""
    while len(received) < len(sent):
        peer.loop.turn()
        received += peer.sock.recv(1 << 20)
    assert received == sent
    peer.sock.send(b"more")
    peer.loop.turn()
    assert (peer.got, peer.closed) == ([b"more"], [])
    peer.close()


def test_a_half_closed_stream_and_one_that_finishes_are_continued(peer: Peer) -> None:
    peer.sock.shutdown(socket.SHUT_WR)
    peer.loop.turn()
    _continue(peer)
    peer.ended = False
    peer.stream.write(b"late")
    peer.loop.turn()
    assert (peer.sock.recv(10), peer.ended, peer.closed) == (b"late", False, [])
    peer.stream.write(b"x" * (1 << 20))
    peer.stream.finish("all said")
    peer.loop.turn()
    assert peer.closed == []
    _continue(peer)
    count = 0
    while not peer.closed:
        count += len(peer.sock.recv(1 << 20))
        peer.loop.turn()
    assert peer.closed == ["all said"]
    assert count + len(peer.sock.recv(1 << 20)) == 1 << 20
    peer.close()

"""Echo: netd in both its ways beside socat, xinetd and the standard library's mix-ins."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial

from netd.runtime import process
from tests.bench import harness_process
from tests.bench.echo_load import PIECE, connect_anew, crowd, ping, ping_datagrams, stream
from tests.bench.harness import Goal, Server, Work

FORK, THREAD = "netd (fork)", "netd (thread)"
C_PROGRAMS = ("xinetd", "socat")
FORKING, THREADING = "ForkingMixIn", "ThreadingMixIn"
PEERS = (*C_PROGRAMS, FORKING, THREADING)
_PIPE_BYTES = 2**20
_LOOPBACK, _EVERYWHERE = "127.0.0.1", "0.0.0.0"
_LIMIT = "limit: a trivial server"
_LISTENER = """
kind = "echo"
address = ["{scheme}://{host}:{port}"]
concurrency = "{concurrency}"
"""
_XINETD = """
service echo
{{
    type = INTERNAL UNLISTED
    id = echo-{transport}
    socket_type = {socket_type}
    protocol = {protocol}
    port = {port}
    wait = {wait}
    user = root
    bind = {host}
    instances = UNLIMITED
    per_source = UNLIMITED
    cps = 1000000 1
    log_type = FILE /dev/null
}}
"""


def works() -> tuple[Work, ...]:
    """New connections, small exchanges, bulk, and datagrams."""
    return (
        Work(
            "new connections, 16 clients",
            "connections/s",
            crowd(connect_anew, 16, spread=True),
            _stream_servers(_answer, _EVERYWHERE),
            (
                Goal(FORK, C_PROGRAMS, 4),
                Goal(THREAD, (THREADING,), 8),
                Goal(THREAD, ("xinetd",), 4),
            ),
        ),
        Work(
            "64-byte ping-pong, 16 connections",
            "exchanges/s",
            crowd(ping, 16),
            _stream_servers(_answer),
            (Goal(FORK, PEERS, 1.15), Goal(THREAD, PEERS, 1.15)),
        ),
        Work(
            "bulk, 4 connections",
            "MB/s",
            crowd(stream, 4),
            _stream_servers(_splice),
            (Goal(FORK, PEERS, 1.3), Goal(THREAD, PEERS, 1.3)),
        ),
        Work(
            "UDP ping-pong, 16 sockets",
            "exchanges/s",
            crowd(ping_datagrams(16), 1),
            _datagram_servers(),
            (Goal(FORK, (THREADING,), 40), Goal(THREAD, (THREADING,), 40)),
        ),
    )


def _stream_servers(
    trivial: Callable[[socket.socket], object], host: str = _LOOPBACK
) -> tuple[Server, ...]:
    return (
        Server(FORK, partial(_netd, "tcp", "fork", host)),
        Server(THREAD, partial(_netd, "tcp", "thread", host)),
        Server("xinetd", partial(_xinetd, "tcp", host), needs="xinetd"),
        Server("socat", partial(_socat, host), needs="socat"),
        Server(FORKING, partial(_textbook, "forking", "tcp", host)),
        Server(THREADING, partial(_textbook, "threading", "tcp", host)),
        Server(_LIMIT, partial(_trivial, trivial, host), is_limit=True),
    )


def _datagram_servers() -> tuple[Server, ...]:
    return (
        Server(FORK, partial(_netd, "udp", "fork")),
        Server(THREAD, partial(_netd, "udp", "thread")),
        Server("xinetd", partial(_xinetd, "udp"), needs="xinetd"),
        Server(FORKING, partial(_textbook, "forking", "udp")),
        Server(THREADING, partial(_textbook, "threading", "udp")),
        Server(_LIMIT, _trivial_datagrams, is_limit=True),
    )


_IS_UP = {"tcp": harness_process.accepts, "udp": harness_process.answers}


@contextlib.contextmanager
def _netd(scheme: str, concurrency: str, host: str = _LOOPBACK) -> Iterator[int]:
    port = harness_process.free_port()
    listener = _LISTENER.format(scheme=scheme, host=host, port=port, concurrency=concurrency)
    with harness_process.netd(listener, port, _IS_UP[scheme]):
        yield port


@contextlib.contextmanager
def _xinetd(transport: str, host: str = _LOOPBACK) -> Iterator[int]:
    port = harness_process.free_port()
    stream_like = transport == "tcp"
    with tempfile.NamedTemporaryFile("w") as config:
        config.write(
            _XINETD.format(
                transport="stream" if stream_like else "dgram",
                socket_type="stream" if stream_like else "dgram",
                protocol=transport,
                wait="no" if stream_like else "yes",
                host=host,
                port=port,
            )
        )
        config.flush()
        command = ["xinetd", "-dontfork", "-f", config.name]
        with harness_process.program(command, port, _IS_UP[transport]):
            yield port


@contextlib.contextmanager
def _socat(host: str) -> Iterator[int]:
    port = harness_process.free_port()
    address = f"TCP4-LISTEN:{port},bind={host},reuseaddr,fork,backlog=1024,nodelay"
    with harness_process.program(["socat", address, "PIPE"], port):
        yield port


@contextlib.contextmanager
def _textbook(concurrency: str, transport: str, host: str = _LOOPBACK) -> Iterator[int]:
    port = harness_process.free_port()
    command = [
        sys.executable,
        "-m",
        "tests.bench.echo_textbook",
        concurrency,
        transport,
        host,
        str(port),
    ]
    with harness_process.program(command, port, _IS_UP[transport]):
        yield port


@contextlib.contextmanager
def _trivial(serve: Callable[[socket.socket], object], host: str) -> Iterator[int]:
    """Processes that only accept and serve, with no limits, counts or orders."""
    with socket.create_server((host, 0), backlog=1024) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")  # unpaced

        def main() -> None:
            while True:
                conn, _ = listening.accept()
                with conn, contextlib.suppress(ConnectionError):
                    serve(conn)

        servers = [process.spawn(main, keep=[listening.fileno()]) for _ in range(16)]
        yield listening.getsockname()[1]
        _end(servers)


@contextlib.contextmanager
def _trivial_datagrams() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def main() -> None:
            while True:
                sock.sendto(*sock.recvfrom(len(PIECE)))

        server = process.spawn(main, keep=[sock.fileno()])
        yield sock.getsockname()[1]
        _end([server])


def _end(servers: list[process.Process]) -> None:
    for server in servers:
        server.kill(signal.SIGKILL)
        os.waitid(os.P_PIDFD, server.pidfd, os.WEXITED | os.WNOWAIT)
        server.reap()


def _answer(conn: socket.socket) -> None:
    buffer = bytearray(len(PIECE))
    while conn.recv_into(buffer):
        conn.send(buffer)


def _splice(conn: socket.socket) -> None:
    outlet, inlet = os.pipe()
    fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    while size := os.splice(conn.fileno(), inlet, _PIPE_BYTES):
        while size:
            size -= os.splice(outlet, conn.fileno(), size)
    os.close(outlet)
    os.close(inlet)

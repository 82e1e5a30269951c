"""Attacks on a chat listener over WebSocket, by way of the route of an HTTP listener."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from tests.bench import harness_process
from tests.bench.attacks_load import BURST, Attack
from tests.bench.attacks_setup import Crowd, Server, Setup
from tests.bench.attacks_victims import Service

_FEW, _MANY = 30, 100
_CROWD: Final = 300
_SETTLE_S: Final = 1.0
_FLOOD_BYTES: Final = 65536
_TEXT, _PING, _CONTINUATION = 1, 9, 0
_CONFIG: Final = """
kind = "chat"
address = "tcp://127.0.0.1:{plain}"
server_name = "irc"
max_connections = 5000
ping_after = "1h"
poller = "epoll"

[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:{port}"
routes = [{{ path = "/chat", chat = "bench" }}]
"""
_HEAD: Final = (
    b"GET /chat HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
_HANDSHAKE: Final = _HEAD + b"\r\n"
_serial = itertools.count()


def _frame(payload: bytes, opcode: int = _TEXT, *, is_final: bool = True) -> bytes:
    assert len(payload) <= 125
    masked = bytes(byte ^ 0x55 for byte in payload)
    return bytes((is_final << 7 | opcode, 0x80 | len(payload))) + b"UUUU" + masked


def _flood(frame: bytes, first: bytes = b"") -> bytes:
    return first + frame * (_FLOOD_BYTES // len(frame))


def _enter(letter: str, number: int) -> bytes:
    nick = f"{letter}{number:05}"
    lines = (f"NICK {nick}", "USER b 0 * :b", "JOIN #bench", "PING joined")
    return _HANDSHAKE + b"".join(_frame(line.encode()) for line in lines)


def _attack(name: str, data: bytes, attackers: int = _FEW) -> Attack:
    """An attack by clients that have shaken hands, and connect again when they are closed."""
    return Attack(name, attackers, lambda _: _HANDSHAKE, lambda _, __: data, burst=1)


def _connect(name: str, first: Callable[[], bytes]) -> Attack:
    """An attack by clients that connect again and again."""
    return Attack(name, _MANY, lambda _: first(), lambda _, __: b"", burst=1)


def _end_late() -> bytes:
    return _enter(f"e{os.getpid() % 1000:03}", next(_serial))


_ATTACKS: Final = (
    Attack("no attack", 1, lambda _: _HANDSHAKE, lambda _, __: b"", burst=BURST),
    _attack("masked messages, 64 KiB at once", _flood(_frame(b"PING x"))),
    _attack("messages without content", _flood(_frame(b""))),
    _attack("texts that are not UTF-8", _flood(_frame(b"\xff"))),
    _attack(
        "fragments without end",
        _flood(_frame(b"", _CONTINUATION, is_final=False), _frame(b"", is_final=False)),
    ),
    _attack("pings, 64 KiB at once", _flood(_frame(b"x", _PING))),
    _connect("halves of handshakes", lambda: _HEAD),
    _connect("handshakes of another origin", lambda: _HEAD + b"Origin: http://evil\r\n\r\n"),
    _connect("handshakes", lambda: _HANDSHAKE),
    _connect("members that come and go", _end_late),
)


@contextlib.contextmanager
def _netd() -> Iterator[int]:
    plain, port = harness_process.free_port(), harness_process.free_port()
    with harness_process.netd(_CONFIG.format(plain=plain, port=port), port):
        yield port


def _settle(_port: int) -> bool:
    time.sleep(_SETTLE_S)
    return True


SETUPS: Final = (
    Setup(
        "chat over WebSocket",
        {"netd (WebSocket)": Server(_netd)},
        _ATTACKS,
        Service(
            lambda number: _enter("v", number),
            b"PONG irc joined",
            _frame(b"PING victim"),
            b"PONG irc victim",
        ),
        Crowd(_CROWD, lambda number: _enter("b", number), b"PONG irc joined"),
        _settle,
    ),
)

"""Checks a chat listener by speaking IRC to it, for `netd probe`."""

from __future__ import annotations

import os
import socket

from netd.config.address import Address
from netd.errors import RemoteProtocolError
from netd.listeners.probe_connection import connect, start_tls
from netd.protocols.irc import Message, parse
from netd.protocols.lines import LineFramer

_MAX_LINE_BYTES = 16384
_WELCOME, _PASSWORD_WRONG = "001", "464"


def probe(_listener: str, address: Address, timeout_s: float) -> str:
    """Register, send PING, and quit; a request for the password is good enough.

    If the listener does not speak plain IRC, TLS is tried.
    """
    try:
        return _speak(connect(address, timeout_s))
    except (RemoteProtocolError, ConnectionResetError):
        return f"{_speak(start_tls(connect(address, timeout_s)))}, under TLS"


def _speak(connected: socket.socket) -> str:
    with connected as sock:
        nick = f"probe{os.getpid()}"
        sock.sendall(f"NICK {nick}\r\nUSER probe 0 * :netd probe\r\n".encode())
        replies = _Replies(sock)
        welcome = replies.await_any(_WELCOME, _PASSWORD_WRONG)
        if welcome.command == _PASSWORD_WRONG:
            return f"{welcome.source} replies, and requires its password"
        sock.sendall(b"PING netd-probe\r\n")
        replies.await_any("PONG")
        sock.sendall(b"QUIT\r\n")
        replies.await_any("ERROR")
        return f"{welcome.source} welcomed {nick} and replied to its PING"


class _Replies:
    """The server's messages."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._framer = LineFramer(_MAX_LINE_BYTES)
        self._messages: list[Message] = []

    def await_any(self, *commands: str) -> Message:
        """Wait for the next message with one of these commands."""
        while True:
            while self._messages:
                message = self._messages.pop(0)
                if message.command in commands:
                    return message
            data = self._sock.recv(65536)
            if not data:
                raise RemoteProtocolError(f"the server closed before {commands[0]}")
            for line in self._framer.receive(data):
                parsed = parse(line) if isinstance(line, bytes) else None
                self._messages += [parsed] if parsed else []

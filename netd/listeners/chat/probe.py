"""Checks a chat listener by speaking IRC to it, for `netd probe`."""

from __future__ import annotations

import os
import socket
import time

from netd.config.address import Address
from netd.errors import RemoteProtocolError
from netd.listeners.probe_connection import connect, receive, start_tls
from netd.protocols.irc import Message, parse
from netd.protocols.lines import LineFramer

_MAX_LINE_BYTES = 16384
_WELCOME, _PASSWORD_WRONG = "001", "464"


def probe(_listener: str, address: Address, timeout_s: float) -> str:
    """Register, send PING, and quit; a request for the password is good enough.

    If the listener does not speak plain IRC, TLS is tried.
    """
    try:
        return _speak(connect(address, timeout_s), timeout_s)
    except (RemoteProtocolError, ConnectionResetError):
        secured = start_tls(connect(address, timeout_s))
        return f"{_speak(secured, timeout_s)}, under TLS"


def _speak(connected: socket.socket, timeout_s: float) -> str:
    with connected as sock:
        nick = f"probe{os.getpid()}"
        sock.sendall(f"NICK {nick}\r\nUSER probe 0 * :netd probe\r\n".encode())
        replies = _Replies(sock, timeout_s)
        welcome = replies.await_any(_WELCOME, _PASSWORD_WRONG)
        if welcome.command == _PASSWORD_WRONG:
            return f"{welcome.source} replies, and requires its password"
        sock.sendall(b"PING netd-probe\r\n")
        replies.await_any("PONG")
        sock.sendall(b"QUIT\r\n")
        replies.await_any("ERROR")
        return f"{welcome.source} welcomed {nick} and replied to its PING"


class _Replies:
    """The server's messages; each one that is awaited has to arrive within the time-out."""

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        self._sock = sock
        self._timeout_s = timeout_s
        self._framer = LineFramer(_MAX_LINE_BYTES)
        self._messages: list[Message] = []

    def await_any(self, *commands: str) -> Message:
        """Wait for the next message with one of these commands."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            while self._messages:
                message = self._messages.pop(0)
                if message.command in commands:
                    return message
            data = receive(self._sock, 65536, deadline)
            if not data:
                raise RemoteProtocolError(f"the server closed before {commands[0]}")
            for line in self._framer.receive(data):
                parsed = parse(line) if isinstance(line, bytes) else None
                self._messages += [parsed] if parsed else []

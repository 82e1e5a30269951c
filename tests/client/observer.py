"""A channel member over a plain socket, for checking what other clients receive."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Self

from netd.config.address import Address
from netd.protocols.irc import Message, format_message, parse
from netd.protocols.lines import LineFramer
from tests.support import connect, read_all


class Observer:
    """A member of one channel."""

    def __init__(
        self,
        address: Address,
        nick: str = "ear",
        channel: str = "#lounge",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.nick, self.channel = nick, channel
        self._sock: socket.socket = connect(address)
        if tls is not None:
            self._sock = tls.wrap_socket(self._sock, server_hostname="localhost")
        self._framer = LineFramer(16384)
        self._messages: list[Message] = []
        self.send("NICK", nick)
        self.send("USER", nick, "0", "*", nick)
        self.await_message("001")
        self.send("JOIN", channel)
        self.await_message("366")

    def send(self, command: str, *params: str) -> None:
        """Send one line."""
        self._sock.sendall(format_message(Message(command, params)))

    def say(self, text: str) -> None:
        """Send a message to the channel."""
        self.send("PRIVMSG", self.channel, text)

    def await_message(self, command: str, source: str = "") -> Message:
        """Wait for a line with this command (and source); earlier lines are discarded."""
        while True:
            message = self._next()
            if message.command == "PING":
                self.send("PONG", *message.params)
            if message.command == command and message.source.startswith(source):
                return message

    def hear(self, count: int, source: str = "") -> list[str]:
        """Wait for the next messages and return their texts."""
        return [self.await_message("PRIVMSG", source).params[1] for _ in range(count)]

    def names(self) -> set[str]:
        """Return the nicks of the current members."""
        self.send("NAMES", self.channel)
        return {nick.lstrip("@+") for nick in self.await_message("353").params[-1].split()}

    def _next(self) -> Message:
        while not self._messages:
            data = self._sock.recv(65536)
            assert data, "the server closed the connection"
            read = [parse(line) for line in self._framer.receive(data) if isinstance(line, bytes)]
            self._messages += [message for message in read if message is not None]
        return self._messages.pop(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Quit, and wait until the server closes the connection."""
        with contextlib.suppress(ConnectionError):
            self.send("QUIT")
            read_all(self._sock)
        self._sock.close()

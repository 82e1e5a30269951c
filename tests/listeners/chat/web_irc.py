"""A chat client that speaks WebSocket, with a chat worker that gets it as from an HTTP worker."""

from __future__ import annotations

import socket
from typing import Any, BinaryIO, cast

from netd.listeners.chat import KIND
from netd.protocols.handoff import Handoff, format_handoff
from netd.runtime import descriptors
from tests.listeners.chat.test_service import Irc
from tests.protocols.websocket_client import ACCEPT, frame, handshake, read_frame, read_head, text
from tests.support import PATIENCE_S, WorkerUnderTest

OPTIONS: dict[str, Any] = {"server_name": "irc.test", "flood_rate": 0}


class WebIrc(Irc):
    """Sends lines as messages; control frames of the server are kept in `control`."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.file = cast("BinaryIO", self._file)
        self.control: list[tuple[int, bytes]] = []
        self.opcodes: set[int] = set()

    def shake_hands(self) -> WebIrc:
        status, self.fields = read_head(self.file)
        assert status == 101
        assert self.fields["sec-websocket-accept"] == ACCEPT
        return self

    def send(self, *lines: str) -> None:
        self.sock.sendall(b"".join(map(text, lines)))

    def read(self) -> str:
        """The next line; EOFError at the end."""
        while True:
            opcode, payload = read_frame(self.file)
            if opcode < 8:
                self.opcodes.add(opcode)
                return payload.decode()
            self.control.append((opcode, payload))

    def expect(self, text: str) -> str:
        while text not in (line := self.read()):
            pass
        return line

    def sync(self) -> list[str]:
        self.send("PING sync")
        lines: list[str] = []
        while not (line := self.read()).endswith("PONG irc.test sync"):
            lines.append(line)
        return lines

    def await_close(self) -> tuple[int, str]:
        """The code and reason of the server's close frame, after which it closes."""
        while not self.control or self.control[-1][0] != 8:
            opcode, payload = read_frame(self.file)
            self.control.append((opcode, payload))
        assert self.file.read() == b""
        payload = self.control[-1][1]
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    def ping(self) -> None:
        """Send a ping, and wait until all frames before it were handled."""
        self.sock.sendall(frame(9, b"sync"))
        while (10, b"sync") not in self.control:
            opcode, payload = read_frame(self.file)
            self.control.append((opcode, payload))
        self.control.remove((10, b"sync"))


class WebChat:
    """A chat worker with a queue, whose entry the test has."""

    def __init__(self, **options: Any) -> None:
        self.entry, self.exit = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.exit.setblocking(False)
        self.options = {**OPTIONS, **options}
        self.worker = WorkerUnderTest(KIND, None, ("tcp://127.0.0.1:0",))
        self.worker.queues = {"test": self.exit}
        self.worker.configure(self.options)
        self._clients: list[Irc] = []

    def hand_off(
        self,
        *lines: str,
        host: str = "127.0.0.1",
        user: str = "",
        is_secure: bool = False,
        after: bytes = b"",
        head: bytes = b"",
    ) -> WebIrc:
        """A client whose connection has been handed off; lines are further fields."""
        ours, theirs = socket.socketpair()
        with theirs:
            received = (head or handshake(*lines)) + after
            handoff = Handoff(host, is_secure, user, is_relayed=False, received=received)
            descriptors.send(self.entry, format_handoff(handoff), [theirs.fileno()], PATIENCE_S)
        ours.settimeout(PATIENCE_S)
        client = WebIrc(ours)
        self._clients.append(client)
        return client

    def web(self, *lines: str, **facts: Any) -> WebIrc:
        """A client that speaks WebSocket."""
        return self.hand_off(*lines, **facts).shake_hands()

    def plain(self) -> Irc:
        """A client that speaks plain IRC."""
        client = Irc(self.worker.connect())
        self._clients.append(client)
        return client

    def hand_over(self) -> None:
        """Let another worker continue."""
        before = self.worker
        bundle = before.hand_over()
        self.worker = before.succeed(self.options, bundle)
        bundle.close()
        before.dismiss()
        before.close()
        self.worker.go()

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.worker.close()
        self.entry.close()
        self.exit.close()

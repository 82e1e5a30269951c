"""Services that take over from one another, as the workers of a listener do, in one process."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import stat
import time
from collections.abc import Callable
from typing import Any, ClassVar

from netd.config.address import Address
from netd.config.schema import read_options
from netd.listeners.http.options import HttpOptions
from netd.listeners.http.service import HttpService
from netd.listeners.kind import Handover, ListeningSocket, ReloadResult
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.runtime.sockets import adopt
from tests.listeners.http.http_client import PATIENT
from tests.support import PATIENCE_S

_ADDRESS = Address.parse("tcp://127.0.0.1:0")
_BUFFER_BYTES = 65536  # of sockets: small, so that large responses wait in the service
WITHIN_S = PATIENCE_S


class DaemonUnderTest:
    """A daemon that responds to requests for its status when the test lets it."""

    datagram_names: frozenset[int | str] = frozenset()
    handoff_queues: ClassVar[dict[str, socket.socket]] = {}
    gets_handoffs = False
    worker_number = 0

    def __init__(self) -> None:
        self.waiting: list[Callable[[dict[str, Any]], object]] = []

    def request_status(self, on_status: Callable[[dict[str, Any]], object]) -> None:
        self.waiting.append(on_status)

    def request_reload(self, on_result: Callable[[ReloadResult], object]) -> None:
        raise AssertionError(f"unexpected: {on_result}")

    def respond(self, **status: Any) -> None:
        for on_status in self.waiting:
            on_status(status)
        self.waiting.clear()


class Succession:
    """A listening socket, the service that has it at present, and the services before."""

    def __init__(
        self,
        *routes: dict[str, Any],
        clock: Callable[[], float] | None = None,
        has_small_buffers: bool = True,
        **options: Any,
    ) -> None:
        """`clock` is that of the loops, if it is not the system's."""
        self._clocks = () if clock is None else (clock,)
        self.options = {"routes": routes, **PATIENT, **options}
        self.clients: list[Client] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        if has_small_buffers:
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        self.start()

    def start(self) -> None:
        """Start a service beside the present one, and let it be the present one."""
        self.daemon = DaemonUnderTest()
        self.loop = Loop(EpollPoller(), *self._clocks)
        sock = adopt(os.dup(self._listening.fileno()))
        full = {"kind": "http", "address": str(_ADDRESS), **self.options}
        options = read_options(HttpOptions, full)
        listening = [ListeningSocket(_ADDRESS, sock)]
        self.service = HttpService(self.loop, options, listening, self.daemon)

    def connect(self, *, must_wait: bool = False) -> Client:
        """Connect a client, which is accepted; with `must_wait` the service is suspended."""
        sock = socket.create_connection(self._listening.getsockname())
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.clients.append(Client(self, sock))
        self.turn()
        if not must_wait:
            self.turn_until(lambda: not select.select([self._listening], [], [], 0)[0])
        return self.clients[-1]

    def turn(self, count: int = 4) -> None:
        """Turn the loop of the present service, without waiting."""
        for _ in range(count):
            self.loop.call_later(0, lambda: None)
            self.loop.turn()

    def turn_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline
            self.turn()
            time.sleep(0.001)

    def figures(self) -> dict[str, int]:
        return self.service.counters().as_dict()

    def prepare(self, within_s: float = WITHIN_S) -> None:
        """Turn until the service is prepared."""
        prepared: list[bool] = []
        self.service.prepare_handover(within_s, lambda: prepared.append(True))
        self.turn_until(lambda: prepared)
        assert prepared == [True]

    def save(self, within_s: float = WITHIN_S) -> Handover:
        """Prepare the service and save it; the state has been JSON."""
        self.prepare(within_s)
        handover = self.service.save()
        state = json.loads(json.dumps(handover.state))
        return Handover(state, [os.dup(fd) for fd in handover.descriptors])

    def hand_over(self, within_s: float = WITHIN_S, **options: Any) -> Handover:
        """Let a new service with other options take over."""
        handover = self.save(within_s)
        self.end()
        self.options |= options
        self.start()
        self.service.load(handover.state)(dict(enumerate(handover.descriptors)))
        return handover

    def end(self) -> None:
        """End the present service as the exit of its process would."""
        for connection in self.service._connections:
            connection.close()
        self.service._proxy_headers.close()
        self.service._connections.listen(())
        self.service._connections.release_sockets()
        self.service.responder.close_log()
        self.service._table.close()
        verifier = self.service._context.verifier
        self.turn_until(lambda: not verifier._is_busy)  # its thread writes to the eventfd
        os.close(verifier._wakeup)
        self.loop.close()

    def close(self) -> None:
        self.end()
        self._listening.close()
        for client in self.clients:
            client.sock.close()


class Client:
    """A client's socket; the loop of the present service turns while the client waits."""

    def __init__(self, succession: Succession, sock: socket.socket) -> None:
        self.succession = succession
        self.sock = sock
        self.received = b""
        self.is_at_end = False

    def send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            with contextlib.suppress(BlockingIOError):
                left = left[self.sock.send(left) :]
            self.succession.turn()

    def receive(self) -> None:
        """Receive what has arrived."""
        self.succession.turn()
        with contextlib.suppress(BlockingIOError):
            data = self.sock.recv(65536)
            self.received += data
            self.is_at_end = not data

    def receive_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.received[:1000]
            assert not self.is_at_end, self.received[:1000]
            self.receive()

    def receive_bytes(self, count: int) -> None:
        """Receive until `count` bytes have arrived."""
        self.receive_until(lambda: len(self.received) >= count)

    def receive_past(self, data: bytes) -> None:
        """Receive until these bytes have arrived, and drop all up to their end."""
        self.receive_until(lambda: data in self.received)
        self.received = self.received.partition(data)[2]

    def response(self) -> tuple[int, bytes]:
        """The status and the content of the next response."""
        self.receive_until(lambda: b"\r\n\r\n" in self.received)
        head, _, _ = self.received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        size = len(head) + 4 + int(fields.get("Content-Length", 0))
        self.receive_bytes(size)
        content, self.received = self.received[len(head) + 4 : size], self.received[size:]
        return int(status.split()[1]), content

    def ask(self, request: bytes) -> tuple[int, bytes]:
        self.send(request)
        return self.response()

    def rest(self) -> bytes:
        """Everything until the end-of-file."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_at_end:
            assert time.monotonic() < deadline, self.received[:1000]
            self.receive()
        return self.received


def open_files() -> int:
    """How many regular files this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += stat.S_ISREG(os.stat(f"/proc/self/fd/{name}").st_mode)
    return count

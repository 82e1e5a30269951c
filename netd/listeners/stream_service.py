"""The base of a simple kind's service: accepts, counts and drains streams on the worker's loop.

The kind's class overrides `on_connect`, `on_data` and `on_end`. Kinds that need more (TLS, files,
processes) use `ConnectionSet` and `Stream` directly.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import ClassVar, Generic

from netd.listeners.connection_set import ConnectionSet
from netd.listeners.counters import Counters
from netd.listeners.kind import Daemon, ListeningSocket, Options
from netd.runtime.loop import Loop
from netd.runtime.stream import Stream


class StreamService(Generic[Options]):
    """Serves each connection as a `Stream`; see `Service` for the methods that the worker calls."""

    max_unsent_bytes: ClassVar[int] = 65536
    """A stream with more unsent bytes at the end of a turn is closed."""

    def __init__(
        self, loop: Loop, options: Options, sockets: Sequence[ListeningSocket], _: Daemon
    ) -> None:
        self.loop = loop
        self.options = options
        self._closed = Counters({"bytes_in": 0, "bytes_out": 0})  # of streams that have closed
        self._connections: ConnectionSet[Stream] = ConnectionSet(
            loop, options, self._on_accept, close=_close, on_drained=loop.stop
        )
        self._connections.listen(sockets)

    def on_connect(self, stream: Stream) -> None:
        """A client has connected."""

    def on_data(self, stream: Stream, data: bytes) -> None:
        """A client has sent `data`."""

    def on_end(self, stream: Stream) -> None:
        """A client has ended its side: send all that was written, and close the stream."""
        stream.finish("the peer has ended")

    def reconfigure(self, options: Options, sockets: Sequence[ListeningSocket]) -> None:
        self.options = options
        self._connections.reconfigure(options, sockets)

    def release_sockets(self) -> None:
        self._connections.release_sockets()

    def drain(self, within_s: float | None, *, stopping: bool) -> None:  # noqa: ARG002 (open streams finish in any case)
        self._connections.drain(within_s)

    def counters(self) -> Counters:
        streams = (_bytes_of(stream) for stream in self._connections)
        return sum(streams, self._connections.counters() + self._closed)

    def degraded(self) -> str:
        return self._connections.degraded()

    def _on_accept(self, sock: socket.socket, host: str, _listening: ListeningSocket) -> None:
        if self._connections.admit(host) is not None:
            sock.close()
            return
        stream = Stream(
            self.loop,
            sock,
            on_data=lambda data: self.on_data(stream, data),
            on_end=lambda: self.on_end(stream),
            on_closed=lambda _reason: self._on_closed(stream),
            max_unsent_bytes=self.max_unsent_bytes,
        )
        self._connections.add(stream, host)
        self.on_connect(stream)

    def _on_closed(self, stream: Stream) -> None:
        self._closed += _bytes_of(stream)
        self._connections.remove(stream)


def _bytes_of(stream: Stream) -> Counters:
    return Counters({"bytes_in": stream.bytes_in, "bytes_out": stream.bytes_out})


def _close(stream: Stream) -> None:
    stream.close("still open at the drain's deadline")

"""A proxy between a client and a server that can lose bytes and cut connections."""

from __future__ import annotations

import contextlib
import socket
from threading import Event, Thread

from netd.config.address import Address
from tests.support import connect


class CuttableWire:
    """Passes bytes between its clients and a server, until they are cut."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._loses_replies = Event()
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()

    def lose_replies(self) -> None:
        """Lose all further bytes from the server to the present clients."""
        self._loses_replies.set()

    def cut(self) -> None:
        """Close all connections, first those to the server; new ones pass bytes again."""
        lost, self._pairs = self._pairs, []
        self._loses_replies = Event()
        for client, server in lost:
            for sock in (server, client):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut all connections, and accept no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = connect(self._server)
            server.settimeout(None)
            self._pairs.append((client, server))
            thread = Thread(target=self._serve, args=(client, server, self._loses_replies))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, server: socket.socket, loses: Event) -> None:
        upstream = Thread(target=self._pump, args=(client, server, Event()))
        upstream.start()
        self._pump(server, client, loses)
        upstream.join()
        client.close()
        server.close()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, loses: Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not loses.is_set():
                    sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

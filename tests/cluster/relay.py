"""A relay between a node and the engine, which a test cuts or stalls; it runs in a thread."""

from __future__ import annotations

import contextlib
import enum
import selectors
import socket
import threading
from pathlib import Path


class Mode(enum.Enum):
    """What a relay does with its connections."""

    PASS = enum.auto()
    STALL = enum.auto()
    """They stay open, and no byte passes."""
    CUT = enum.auto()
    """They are closed, and so is each new one."""


class Relay:
    """Passes the connections to one socket on to another one: a Unix socket, or a port."""

    def __init__(self, address: Path | int, target: Path | int) -> None:
        self.address = address
        self._target = target
        self._mode = Mode.PASS
        self._is_ended = False
        self._listening = _socket_for(address)
        self._listening.bind(_sockaddr(address))
        self._listening.listen()
        self._listening.setblocking(False)
        self._wake, self._woken = socket.socketpair()
        self._partners: dict[socket.socket, socket.socket] = {}
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def set_mode(self, mode: Mode) -> None:
        """Pass, stall or cut from now on."""
        self._mode = mode
        self._wake.send(b"!")

    def close(self) -> None:
        """End the relay."""
        self._is_ended = True
        self._wake.send(b"!")
        self._thread.join()
        for sock in (self._listening, self._wake, self._woken):
            sock.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._is_ended:
                for key, _ in selector.select():
                    self._on_ready(selector, key.fileobj)
                if self._mode is Mode.CUT:
                    for sock in list(self._partners):
                        self._close(selector, sock)
            for sock in list(self._partners):
                self._close(selector, sock)

    def _on_ready(self, selector: selectors.BaseSelector, ready: object) -> None:
        assert isinstance(ready, socket.socket)
        if ready is self._woken:
            self._woken.recv(100)
            self._watch_partners(selector)
        elif ready is self._listening:
            self._accept(selector)
        elif ready in self._partners and self._mode is Mode.PASS:
            self._pass_on(selector, ready)

    def _watch_partners(self, selector: selectors.BaseSelector) -> None:
        for sock in self._partners:
            with contextlib.suppress(KeyError):
                selector.unregister(sock)
            if self._mode is Mode.PASS:
                selector.register(sock, selectors.EVENT_READ)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._listening.accept()
        server = _socket_for(self._target)
        try:
            if self._mode is Mode.CUT:
                raise ConnectionRefusedError
            server.connect(_sockaddr(self._target))
        except OSError:
            client.close()
            server.close()
            return
        self._partners[client], self._partners[server] = server, client
        self._watch_partners(selector)

    def _pass_on(self, selector: selectors.BaseSelector, sock: socket.socket) -> None:
        try:
            data = sock.recv(65536)
            if data:
                self._partners[sock].sendall(data)
                return
        except OSError:
            pass
        self._close(selector, sock)

    def _close(self, selector: selectors.BaseSelector, sock: socket.socket) -> None:
        partner = self._partners.pop(sock, None)
        if partner is not None:
            del self._partners[partner]
            for end in (sock, partner):
                with contextlib.suppress(KeyError):
                    selector.unregister(end)
                end.close()


def _socket_for(address: Path | int) -> socket.socket:
    sock = socket.socket(socket.AF_INET if isinstance(address, int) else socket.AF_UNIX)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock


def _sockaddr(address: Path | int) -> str | tuple[str, int]:
    return ("127.0.0.1", address) if isinstance(address, int) else str(address)

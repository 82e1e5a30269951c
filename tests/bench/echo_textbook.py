"""The textbook's echo, socketserver's mix-ins: `forking|threading tcp|udp HOST PORT`."""

from __future__ import annotations

import socketserver
import sys


class Echo(socketserver.BaseRequestHandler):
    """Sends back what comes until the peer's end-of-file."""

    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class DatagramEcho(socketserver.BaseRequestHandler):
    """Sends one datagram back."""

    def handle(self) -> None:
        data, sock = self.request
        sock.sendto(data, self.client_address)


class ForkingTCP(socketserver.ForkingMixIn, socketserver.TCPServer):
    """A process for each connection."""


class ThreadingTCP(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A thread for each connection."""


class ForkingUDP(socketserver.ForkingMixIn, socketserver.UDPServer):
    """A process for each datagram."""


class ThreadingUDP(socketserver.ThreadingMixIn, socketserver.UDPServer):
    """A thread for each datagram."""


SERVERS = {
    ("forking", "tcp"): (ForkingTCP, Echo),
    ("threading", "tcp"): (ThreadingTCP, Echo),
    ("forking", "udp"): (ForkingUDP, DatagramEcho),
    ("threading", "udp"): (ThreadingUDP, DatagramEcho),
}


def main(concurrency: str, transport: str, host: str, port: int) -> None:
    """Serve until killed."""
    server, handler = SERVERS[concurrency, transport]
    with server((host, port), handler) as service:
        service.serve_forever()


if __name__ == "__main__":
    _, concurrency, transport, host, port = sys.argv
    main(concurrency, transport, host, int(port))

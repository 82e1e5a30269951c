"""Refused connections: the client is sent the reason in an ERROR line."""

from __future__ import annotations

import contextlib
import socket
from typing import Final

from netd.listeners.admission import Refusal

TOO_OFTEN: Final = "too many connections from your address in a short time, try again later"
REASONS: Final = {
    Refusal.FULL: "the server is full",
    Refusal.ADDRESS_FULL: "too many connections from your address",
    Refusal.DENIED: "you may not connect",
}


def turn_away(sock: socket.socket, reason: str) -> None:
    """Send the reason, if the socket takes it at once, and close."""
    with contextlib.suppress(OSError):
        sock.send(f"ERROR :Closing link: ({reason})\r\n".encode())
    sock.close()

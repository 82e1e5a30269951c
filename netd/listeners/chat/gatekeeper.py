"""Who is let in: the limits every listener has, and how often one address may come."""

from __future__ import annotations

import contextlib
import socket
from typing import Final

from netd.listeners.admission import Admission, Refusal
from netd.listeners.chat.connect_throttle import ConnectThrottle
from netd.listeners.chat.options import ChatOptions
from netd.listeners.counters import Counters

_REASONS: Final = {
    Refusal.FULL: "the server is full",
    Refusal.ADDRESS_FULL: "too many connections from your address",
    Refusal.DENIED: "you may not connect",
}


class Gatekeeper:
    """Counts who comes and goes; `release` each admitted host once."""

    def __init__(self, options: ChatOptions) -> None:
        self._options = options
        self._admission = Admission(options)
        self._throttle = ConnectThrottle()
        self._throttled = 0

    def reconfigure(self, options: ChatOptions) -> None:
        """Judge by these options from now on; who is in stays."""
        self._options = options
        self._admission.reconfigure(options)

    def refusal(self, host: str, now: float) -> str:
        """Why nobody more may come from `host`; empty, and one more counted in, if it may."""
        if not self._throttle.admits(host, now, self._options):
            self._throttled += 1
            return "too many connections from your address in a short time, try again later"
        refusal = self._admission.admit(host)
        return _REASONS[refusal] if refusal else ""

    def release(self, host: str) -> None:
        """Count one out that was let in."""
        self._admission.release(host)

    def counters(self) -> Counters:
        """Those of Admission, and the connections refused because they came too often."""
        throttled = {"refused": self._throttled, "refused_too_often": self._throttled}
        return self._admission.counters() + Counters(throttled)


def turn_away(sock: socket.socket, why: str) -> None:
    """Tell somebody why it is not let in, if its socket takes that, and close."""
    with contextlib.suppress(OSError):
        sock.send(f"ERROR :Closing link: ({why})\r\n".encode())
    sock.close()

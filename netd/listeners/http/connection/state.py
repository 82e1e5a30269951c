"""What a connection waits for, and what follows from it: a table of its states."""

from __future__ import annotations

from enum import Enum
from typing import Final

from netd.runtime.poller import WRITE


class ConnectionState(Enum):
    """What a connection waits for, which is what its deadline is about."""

    HANDSHAKE = "the peer's part of the TLS handshake"
    IDLE = "a request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    WORKING = "an answer that takes us time"
    SENDING = "the peer to take an answer"
    LINGERING = "the peer to close"
    CLOSED = "nothing"


# What is answered where a deadline passes while the peer may still listen.
REFUSALS: Final = {
    ConnectionState.HEAD: 408,
    ConnectionState.BODY: 408,
    ConnectionState.WORKING: 503,
}
# What each stage watches the socket for; a socket that is watched for nothing tells of its end.
MASKS: Final = {ConnectionState.SENDING: WRITE, ConnectionState.WORKING: 0}

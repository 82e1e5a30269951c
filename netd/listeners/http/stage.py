"""What a connection waits for, and what follows from it: a table of its states."""

from __future__ import annotations

from enum import Enum
from typing import Final

from netd.runtime.poller import WRITE


class Stage(Enum):
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
REFUSALS: Final = {Stage.HEAD: 408, Stage.BODY: 408, Stage.WORKING: 503}
# What each stage watches the socket for; a socket that is watched for nothing tells of its end.
MASKS: Final = {Stage.SENDING: WRITE, Stage.WORKING: 0}

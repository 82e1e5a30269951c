"""The state of a connection: the event that it waits for, and all of it for another process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from netd.listeners.http.connection.exchange import SavedExchange
from netd.listeners.http.connection.send_queue import SavedFilePart
from netd.runtime.poller import WRITE


class ConnectionState(Enum):
    """The event that a connection waits for; its deadline limits the wait."""

    HANDSHAKE = "the peer's part of the TLS handshake"
    IDLE = "a request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    DEFERRED = "a response that takes time"
    SENDING = "the peer to receive a response"
    LINGERING = "the peer to close"
    CLOSED = "nothing"


TIMEOUT_STATUS: Final = {
    ConnectionState.HEAD: 408,
    ConnectionState.BODY: 408,
    ConnectionState.DEFERRED: 503,
}
"""The status to respond with when the deadline passes and the peer may still listen."""
EVENTS: Final = {ConnectionState.SENDING: WRITE, ConnectionState.DEFERRED: 0}
"""Events to watch the socket for, READ in other states. A mask of 0 still reports a hang-up."""

_WITHOUT_REQUEST: Final = frozenset({ConnectionState.HANDSHAKE, ConnectionState.IDLE})
_IN_REQUEST: Final = frozenset(
    {ConnectionState.HEAD, ConnectionState.BODY, ConnectionState.DEFERRED}
)


@dataclass(frozen=True, slots=True)
class SavedConnection:
    """A connection for another process; `descriptor` is the position of its socket's.

    `deadline` is a time of the monotonic clock, which all processes have in common. `unsent` are
    the parts of responses that are left to send.
    """

    descriptor: int
    host: str
    state: ConnectionState
    deadline: float
    is_unused: bool = False
    has_secure_proxy: bool = False
    closes: bool = False
    exchange: SavedExchange | None = None
    unsent: tuple[bytes | SavedFilePart, ...] = ()

    def __post_init__(self) -> None:
        if self.descriptor < 0 or self.state is ConnectionState.CLOSED:
            raise ValueError("not a connection that another process can continue")
        if self.state in _IN_REQUEST and self.exchange is None:
            raise ValueError("a request without its bytes")
        if self.state in _WITHOUT_REQUEST and (self.exchange or self.unsent):
            raise ValueError("a request or a response of an idle connection")
        if len(self.files) != sum(part.is_last for part in self._file_parts):
            raise ValueError("a file without exactly one last part")

    @property
    def files(self) -> frozenset[int]:
        """The positions of the descriptors of files."""
        return frozenset(part.descriptor for part in self._file_parts)

    @property
    def _file_parts(self) -> tuple[SavedFilePart, ...]:
        return tuple(part for part in self.unsent if isinstance(part, SavedFilePart))

"""The record of a connection that an HTTP worker hands off to a chat worker.

A record is one message of a SOCK_SEQPACKET socket, and the descriptor of the connection comes with
it. No byte of the connection has been answered. Requests of scripts (netd.protocols.hook) go the
same way, with a socket for the reply.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from netd.errors import LocalProtocolError

MAX_HANDOFF_BYTES: Final = 65536
"""The maximum length of a record."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """A connection, as the HTTP listener judges it."""

    host: str
    """The address of the client; empty on a Unix socket."""
    is_secure: bool
    """Whether the client uses TLS."""
    user: str
    """The user of the route who has given the right password; empty without users."""
    is_relayed: bool
    """Whether the descriptor is that of a socket pair, over which the HTTP worker relays."""
    received: bytes
    """The bytes read so far: a valid request head, and perhaps bytes after it. If `is_hook`, the
    request of a script."""
    is_hook: bool = False
    """Whether the record is the request of a script."""


def format_handoff(handoff: Handoff) -> bytes:
    """The record; it can be longer than MAX_HANDOFF_BYTES."""
    facts = {name: value for name, value in asdict(handoff).items() if name != "received"}
    return json.dumps(facts).encode() + b"\n" + handoff.received


def parse_handoff(record: bytes) -> Handoff:
    """The connection in a record. Raises LocalProtocolError if it is malformed."""
    facts, _, received = record.partition(b"\n")
    try:
        return Handoff(**json.loads(facts), received=received)
    except (ValueError, TypeError) as error:
        raise LocalProtocolError(f"not a hand-off: {facts[:200]!r}") from error

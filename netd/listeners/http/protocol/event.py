"""The events that a client's bytes are parsed into: a request, pieces of its body, its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Framing(Enum):
    """The delimitation of a request's body (RFC 9112 section 6)."""

    NONE = "no body"
    LENGTH = "Content-Length"
    CHUNKED = "Transfer-Encoding: chunked"


@dataclass(frozen=True, slots=True)
class Request:
    """A valid request head.

    `fields` has the header fields by lower-case name, with the values of a repeated field joined
    by commas (RFC 9110 section 5.3); `lines` has them as received. `path` is still encoded:
    `target.parse_path` decodes it.
    """

    method: str
    target: bytes
    path: bytes
    query: bytes
    minor: int  # of HTTP/1.minor, 0 or 1
    host: str  # lower-case, without port; empty if an HTTP/1.0 request has none
    fields: dict[bytes, bytes]
    lines: tuple[tuple[bytes, bytes], ...]
    framing: Framing
    length: int  # of the body, if framing is LENGTH
    keep_alive: bool
    expects_continue: bool
    key: str = ""  # a random text, of a request with a body that a route needs


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of the body, without its framing."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The request is complete; `trailers` are the fields after a chunked body."""

    trailers: tuple[tuple[bytes, bytes], ...] = field(default=())


Event = Request | Data | End

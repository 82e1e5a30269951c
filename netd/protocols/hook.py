"""The requests of scripts to a chat listener, as an HTTP worker passes them on, and the replies.

A request is the `received` part of a hand-off (netd.protocols.handoff). The descriptor beside it is
that of a stream socket for the reply, or the connection of a client that gets events.
"""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from netd.errors import LocalProtocolError, RemoteProtocolError

MAX_TEXT_BYTES: Final = 20_000
"""The maximum length of the text of a request: JSON can double it, and a hand-off is bounded."""
MAX_REPLY_BYTES: Final = 131_072
"""The maximum length of a reply: the buffer of a socket has room for it at once."""


class HookAction(enum.Enum):
    """The action that a script requests."""

    POST = "post"
    """Send a message to the channel."""
    READ = "read"
    """Reply with messages of the channel."""
    STREAM = "stream"
    """Send the messages of the channel as events, until the client ends the connection."""


@dataclass(frozen=True, slots=True)
class HookLimits:
    """The bounds of one route; see the options of the same names (`post_...`)."""

    rate: float
    burst: int
    lines: int
    queue: int
    streams: int


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request whose client may use the route."""

    action: HookAction
    channel: str
    nick: str
    limits: HookLimits
    text: str = ""
    """The message to post: lines of printable text."""
    key: str = ""
    """Names the message, so that it is posted once however often the request is repeated."""
    after: str = ""
    """Read the messages after the one with this id; if empty, the last ones."""
    count: int = 0
    """The maximum number of messages to read."""
    head: str = ""
    """The head of the response that begins a stream."""


@dataclass(frozen=True, slots=True)
class HookReply:
    """The outcome of a request, as an HTTP response expresses it."""

    status: int
    reason: str = ""
    """Why the request was refused, for people."""
    retry_after_s: int = 0
    """When to try again; 0 for never."""
    message_id: str = ""
    """The id of the message that was posted."""
    content: bytes = b""
    """The messages that were read, one JSON object on each line."""


def format_request(request: HookRequest) -> bytes:
    """The request as JSON."""
    facts = {**asdict(request), "action": request.action.value}
    return json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace")


def parse_request(data: bytes) -> HookRequest:
    """Parse a request of an HTTP worker. Raises LocalProtocolError if it is malformed."""
    try:
        facts = json.loads(data)
        limits = HookLimits(**facts.pop("limits"))
        return HookRequest(HookAction(facts.pop("action")), limits=limits, **facts)
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise LocalProtocolError(f"not a request of a script: {data[:200]!r}") from error


def format_reply(reply: HookReply) -> bytes:
    """A line of JSON, then the content."""
    facts: dict[str, Any] = {**asdict(reply), "content": len(reply.content)}
    return json.dumps(facts).encode() + b"\n" + reply.content


def parse_reply(data: bytes) -> HookReply:
    """Parse a reply that was read to its end. Raises RemoteProtocolError if a part is missing."""
    line, _, content = data.partition(b"\n")
    try:
        facts = json.loads(line)
        is_whole = facts.pop("content") == len(content)
        reply = HookReply(**facts, content=content)
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise RemoteProtocolError(f"not a reply to a script: {line[:200]!r}") from error
    if not is_whole:
        raise RemoteProtocolError("the reply is cut off")
    return reply

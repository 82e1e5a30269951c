"""What `netd status`, `netd reload` and `netd probe` say to the daemon: JSON lines.

One request a line, one reply a line, in order.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import Any, Final

from netd.errors import RemoteProtocolError

MAX_REQUEST_BYTES: Final = 4096


class Command(enum.StrEnum):
    """What can be asked."""

    STATUS = "status"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer; `body` is the status or what a reload did, `error` why it failed."""

    body: dict[str, Any]
    error: str = ""


def format_request(command: Command) -> bytes:
    """One line, newline included."""
    return json.dumps({"command": command}).encode() + b"\n"


def parse_request(line: bytes) -> Command:
    """The command asked for; RemoteProtocolError names what is allowed."""
    try:
        return Command(json.loads(line)["command"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        allowed = ", ".join(Command)
        raise RemoteProtocolError(f'expected {{"command": ...}} with one of {allowed}') from error


def format_reply(reply: Reply) -> bytes:
    """One line, newline included."""
    return json.dumps({"error": reply.error, "body": reply.body}).encode() + b"\n"


def parse_reply(line: bytes) -> Reply:
    """The reply a line stands for; RemoteProtocolError if it stands for none."""
    try:
        fields = json.loads(line)
        return Reply(body=dict(fields["body"]), error=str(fields["error"]))
    except (ValueError, KeyError, TypeError) as error:
        raise RemoteProtocolError(f"not a reply: {line[:200]!r}") from error

"""The messages between the command line (`netd status`, `netd reload`) and the daemon.

Requests and replies are JSON objects, one on each line; replies come in the order of requests.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import Any, Final

from netd.errors import RemoteProtocolError

MAX_REQUEST_BYTES: Final = 4096


class ControlCommand(enum.StrEnum):
    """The commands that a request can have."""

    STATUS = "status"
    RELOAD = "reload"
    UPGRADE = "upgrade"


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is the status or the result of a reload; `error` is the reason of a failure."""

    body: dict[str, Any]
    error: str = ""


def format_request(command: ControlCommand) -> bytes:
    """Return the line, with its newline."""
    return json.dumps({"command": command}).encode() + b"\n"


def parse_request(line: bytes) -> ControlCommand:
    """Return the command of a request. Raises RemoteProtocolError, which lists the commands."""
    try:
        return ControlCommand(json.loads(line)["command"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        allowed = ", ".join(ControlCommand)
        raise RemoteProtocolError(f'expected {{"command": ...}} with one of {allowed}') from error


def format_reply(reply: Reply) -> bytes:
    """Return the line, with its newline."""
    return json.dumps({"error": reply.error, "body": reply.body}).encode() + b"\n"


def parse_reply(line: bytes) -> Reply:
    """Return the reply in a line. Raises RemoteProtocolError."""
    try:
        fields = json.loads(line)
        return Reply(body=dict(fields["body"]), error=str(fields["error"]))
    except (ValueError, KeyError, TypeError) as error:
        raise RemoteProtocolError(f"not a reply: {line[:200]!r}") from error

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


_NUMBER: Final = (int, float)
_WORKER_FORM: Final = {
    "pid": (None, int),
    "state": str,
    "uptime_s": _NUMBER,
    "restarts": int,
    "last_error": str,
}
_LISTENER_FORM: Final = {
    "name": str,
    "kind": str,
    "state": str,
    "configured": [str],
    "addresses": [str],
    "counters": {...: int},
    "workers": [_WORKER_FORM],
}
STATUS_FORM: Final = {
    "version": str,
    "pid": int,
    "state": str,
    "uptime_s": _NUMBER,
    "last_reload": (None, {"at": _NUMBER, "ok": bool, "detail": str}),
    "listeners": [_LISTENER_FORM],
}
"""The parts of a status that the command line uses, in the form that `has_form` takes."""


def has_form(value: object, form: object) -> bool:
    """Whether a JSON value has a form: a type, None, or a list of one form for all items.

    A tuple has alternatives, a dict the forms of some members; the key `...` is for every member.
    """
    match form:
        case tuple():
            return any(has_form(value, part) for part in form)
        case list():
            return isinstance(value, list) and all(has_form(item, form[0]) for item in value)
        case dict():
            return isinstance(value, dict) and _has_members(value, form)
        case type():
            return isinstance(value, form)
    return value is form


def _has_members(value: dict[str, Any], form: dict[Any, Any]) -> bool:
    if ... in form:
        return all(has_form(member, form[...]) for member in value.values())
    return all(key in value and has_form(value[key], part) for key, part in form.items())


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
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RemoteProtocolError(f"not a reply: {line[:200]!r}") from error

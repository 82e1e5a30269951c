"""Divides text into messages that fit one IRC line, between characters, at spaces if it can.

Pure. Joined again, the parts are the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netd.client.event import Manner
from netd.protocols.irc import MAX_BODY_BYTES, cut

_LEAST_ROOM_BYTES: Final = 16  # however long a source the server claims we have
_ACTION_BYTES: Final = len("\x01ACTION \x01")


def room_bytes(source: str, command: str, target: str, manner: Manner) -> int:
    """How many bytes of text fit a line which others receive with `source` before it."""
    frame = f":{source} {command} {target} :"
    action = _ACTION_BYTES if manner is Manner.ACTION else 0
    return max(_LEAST_ROOM_BYTES, MAX_BODY_BYTES - len(frame.encode()) - action)


def divide(text: str, max_bytes: int) -> Iterator[str]:
    """The text in parts of at most `max_bytes` of UTF-8, none empty."""
    rest = text.encode("utf-8", "replace")
    while len(rest) > max_bytes:
        part = cut(rest, max_bytes)
        space = part.rfind(b" ") + 1
        if space > max_bytes // 2:
            part = part[:space]
        yield part.decode()
        rest = rest[len(part) :]
    if rest:
        yield rest.decode()

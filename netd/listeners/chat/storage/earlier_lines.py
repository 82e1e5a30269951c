"""Reads the messages that netd stored before its database had versions: JSON texts."""

from __future__ import annotations

import json

from netd.listeners.chat.room.encoded_message import position_of
from netd.listeners.chat.room.stored_message import AddMessage
from netd.protocols.irc import Message


def read_line(log: str, body: str, *, after: int = 0) -> AddMessage | None:
    """The message in a stored line; None if it is malformed. Its position is greater than `after`.

    All lines are open: any member of the channel could get them.
    """
    try:
        command, params, source, tags = json.loads(body)
        position = max(position_of(tags["msgid"]), after + 1)
        message = Message(command, tuple(params), source, tags)
        return AddMessage.of_message(log, message, position, is_open=True)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None

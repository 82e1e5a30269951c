"""The stored part of a persistent channel as JSON: topic, modes, lists, and history."""

from __future__ import annotations

import json
from collections.abc import Iterable

from netd.errors import LocalProtocolError
from netd.listeners.chat.room.channel import Channel, ListEntry, Topic
from netd.protocols.irc import Message, fold


def format_state(channel: Channel) -> str:
    """The topic, the modes and the lists as JSON."""
    topic = channel.topic
    return json.dumps(
        {
            "topic": [topic.text, topic.by, topic.at] if topic else None,
            "modes": channel.modes,
            "lists": {
                letter: [[entry.mask, entry.by, entry.at] for entry in entries.values()]
                for letter, entries in channel.lists.items()
            },
        }
    )


def restore_state(channel: Channel, text: str) -> None:
    """Set a channel's topic, modes and lists from JSON.

    Raises LocalProtocolError if the text is no such state; the channel is then unchanged.
    """
    try:
        state = json.loads(text)
        topic = Topic(*state["topic"]) if state["topic"] else None
        modes = {str(letter): str(value) for letter, value in state["modes"].items()}
        lists = {
            letter: {fold(mask): ListEntry(mask, by, at) for mask, by, at in state["lists"][letter]}
            for letter in channel.lists
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LocalProtocolError(f"not a channel's state: {text[:100]!r}") from error
    channel.topic, channel.modes, channel.lists = topic, modes, lists


def format_line(message: Message) -> str:
    """One message of the history as JSON."""
    return json.dumps(
        [message.command, message.params, message.source, dict(message.tags)], ensure_ascii=False
    )


def restore_history(channel: Channel, lines: Iterable[str]) -> None:
    """Add stored messages to a channel's history.

    Raises LocalProtocolError at the first line that is no message.
    """
    try:
        for line in lines:
            command, params, source, tags = json.loads(line)
            message = Message(command, tuple(params), source, tags)
            assert {"time", "msgid"} <= tags.keys()
            channel.history.append(message)
    except (ValueError, TypeError, AttributeError, AssertionError) as error:
        raise LocalProtocolError("not a channel's history") from error

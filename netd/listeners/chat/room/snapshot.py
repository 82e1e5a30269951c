"""A channel's lasting part as JSON text and back: topic, modes, lists, and what was said."""

from __future__ import annotations

import json
from collections.abc import Iterable

from netd.errors import LocalProtocolError
from netd.listeners.chat.room.channel import Channel, ListEntry, Topic
from netd.protocols.irc import Message, fold


def format_state(channel: Channel) -> str:
    """The topic, the modes and the lists."""
    topic = channel.topic
    return json.dumps(
        {
            "topic": [topic.text, topic.by, topic.at] if topic else None,
            "modes": channel.modes,
            "lists": {
                letter: [[each.mask, each.by, each.at] for each in entries.values()]
                for letter, entries in channel.lists.items()
            },
        }
    )


def restore_state(channel: Channel, text: str) -> None:
    """Put a channel into the state written; LocalProtocolError leaves it as it is."""
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
    """One line of history."""
    return json.dumps(
        [message.command, message.params, message.source, dict(message.tags)], ensure_ascii=False
    )


def restore_history(channel: Channel, lines: Iterable[str]) -> None:
    """Give a channel its history back; LocalProtocolError for what is none."""
    try:
        for line in lines:
            command, params, source, tags = json.loads(line)
            message = Message(command, tuple(params), source, tags)
            assert {"time", "msgid"} <= tags.keys()
            channel.history.append(message)
    except (ValueError, TypeError, AttributeError, AssertionError) as error:
        raise LocalProtocolError("not a channel's history") from error

"""The stored part of a channel as JSON: topic, modes, lists, operators.

A restored channel stays for some time without members. Its operators are its earlier operators that
have an account or a verified local user; the first member that joins does not become one.
"""

from __future__ import annotations

import json
from typing import Any, Final

from netd.errors import LocalProtocolError
from netd.listeners.chat.room.channel import Channel, ListEntry, Topic
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import fold

KEPT_S: Final = 3600.0
"""How long a restored channel stays without members if none of its operators can be verified."""
KEPT_FOR_OPERATORS_S: Final = 7 * 24 * 3600.0
"""How long a restored channel stays for an operator with an account or a local user."""


def format_state(channel: Channel) -> str:
    """The whole state except the history, as JSON."""
    topic = channel.topic
    return json.dumps(
        {
            "name": channel.name,
            "created": channel.created,
            "kept_until": channel.kept_until,
            "begin": channel.access.begin,
            "present": _present_accounts(channel),
            "status": channel.status_by_identity(),
            "topic": [topic.text, topic.by, topic.at] if topic else None,
            "modes": channel.modes,
            "lists": {
                letter: [[entry.mask, entry.by, entry.at] for entry in entries.values()]
                for letter, entries in channel.lists.items()
            },
        }
    )


def _present_accounts(channel: Channel) -> dict[str, int]:
    """The folded accounts in a channel, with the positions at which they joined."""
    since = channel.access.since
    return {
        fold(who.account): since[who] for who in channel.members if who.account and who in since
    }


def present_accounts(text: str) -> dict[str, int]:
    """The accounts that were in a channel when its state was stored; none if it is malformed."""
    try:
        present = json.loads(text).get("present", {}).items()
        return {str(account): int(since) for account, since in present}
    except (ValueError, TypeError, AttributeError):
        return {}


def restore_state(channel: Channel, text: str) -> None:
    """Set a channel's topic, modes, lists and operators from JSON.

    Raises LocalProtocolError if the text is not such a state; the channel is then unchanged.
    """
    try:
        state: dict[str, Any] = json.loads(text)
        earlier = {str(who): str(letters) for who, letters in state.get("status", {}).items()}
        created, kept_until = float(state.get("created", 0)), float(state.get("kept_until", 0))
        begin = int(state.get("begin", 0))
        topic = Topic(*state["topic"]) if state["topic"] else None
        modes = {str(letter): str(value) for letter, value in state["modes"].items()}
        lists = {
            letter: [ListEntry(str(mask), by, at) for mask, by, at in state["lists"][letter]]
            for letter in channel.lists
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LocalProtocolError(f"not a channel's state: {text[:100]!r}") from error
    channel.topic, channel.modes = topic, modes
    for letter, entries in lists.items():
        for entry in entries:
            channel.add_entry(letter, entry)
    channel.earlier_status = earlier
    channel.created = created or channel.created
    channel.kept_until = kept_until
    channel.access.begin = begin


def restore_channel(room: RoomState, folded: str, text: str, now: float) -> None:
    """Add a stored channel to a new room.

    Raises LocalProtocolError if the text is not the state of a channel; then no channel is added.
    """
    channel = Channel(_name_in(text, folded), now, room.settings.limits.history_lines, room.memory)
    try:
        restore_state(channel, text)
    except LocalProtocolError:
        channel.release_memory()
        raise
    has_operators = any("o" in letters for letters in channel.earlier_status.values())
    kept_s = KEPT_FOR_OPERATORS_S if has_operators else KEPT_S
    channel.kept_until = channel.kept_until or now + kept_s
    existing = room.channels.get(folded)
    channel.is_persistent = existing is not None and existing.is_persistent
    if existing is not None:
        existing.release_memory()
    channel.access.note_openness(room.ids.position, is_open=channel.is_open)
    room.channels[folded] = channel
    room.restored.add(channel)


def _name_in(text: str, folded: str) -> str:
    try:
        name = str(json.loads(text)["name"])
    except (ValueError, KeyError, TypeError):
        return folded
    return name if fold(name) == folded else folded

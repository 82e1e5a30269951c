"""The states of channels in the database."""

from __future__ import annotations

from dataclasses import dataclass

from netd.listeners.chat.room.storage import Change, Query


@dataclass(frozen=True, slots=True)
class SetChannelState(Change):
    """Replace the state of a channel (JSON); an empty one removes it."""

    channel: str
    state: str


@dataclass(frozen=True, slots=True)
class ChannelStates(Query[dict[str, str]]):
    """The states of all channels, by folded name."""

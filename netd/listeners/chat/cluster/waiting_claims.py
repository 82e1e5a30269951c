"""The clients that ask for a place by a token (RESUME), until this host has read the log.

Another host can have given the client its token, or its place to another client, by an entry that
this host has not read. So a token is looked up when all is applied that was in the log when it
came. While the engine cannot be reached, a place that this host knows is given back; with any other
token a client waits.
"""

from __future__ import annotations

from collections.abc import Iterator

from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import resume
from netd.listeners.chat.room.effect import Effect
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.state import RoomState


class WaitingClaims:
    """The clients that wait. They have `is_waiting` set."""

    def __init__(self) -> None:
        self._waiting: dict[Client, None] = {}

    def __iter__(self) -> Iterator[Client]:
        return iter([client for client in self._waiting if client.state is not ClientState.GONE])

    def add(self, client: Client) -> None:
        """Let a client wait that has sent a token."""
        client.is_waiting = True
        self._waiting[client] = None

    def forget(self, client: Client) -> None:
        """The client is gone."""
        self._waiting.pop(client, None)

    def decide(
        self, room: RoomState, client: Client, now: float, *, is_current: bool
    ) -> list[Effect] | None:
        """Look up the token of a client; None if it does not wait, or has to wait on.

        `is_current` if all is applied that was in the log when the token came.
        """
        if client not in self._waiting or client.state is ClientState.GONE:
            return None
        context = CommandContext(room, client, now)
        is_known = resume.look_up_token(context)
        if is_current and not is_known:
            resume.refuse(context)
        effects = context.take_effects()
        if not (is_known or is_current):
            return None
        self.forget(client)
        client.is_waiting = False
        return effects

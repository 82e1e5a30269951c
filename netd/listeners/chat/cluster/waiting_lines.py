"""The lines of a host's clients that are on their way through the log, and those behind them.

A client's lines are handled in their order. So a line that only reads waits for those before it,
and so does any line after that one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from netd.listeners.chat.room.member import Client
from netd.protocols.lines import Line
from netd.protocols.record import BYTES, save_all

MAX_SENT: Final = 20
"""The number of lines of a client that may be on their way through the log."""


class WaitingLines:
    """The lines that wait, by client. A client that waits has `is_waiting` set."""

    def __init__(self) -> None:
        self._sent: dict[Client, int] = {}
        self._held: dict[Client, deque[Line]] = {}

    def sent(self, client: Client) -> int:
        """The number of lines of a client that are on their way through the log."""
        return self._sent.get(client, 0)

    def add_sent(self, client: Client) -> None:
        """A line was appended to the log."""
        self._sent[client] = self.sent(client) + 1

    def settle(self, client: Client) -> None:
        """A line of a client was read from the log, or was given up."""
        left = self.sent(client) - 1
        if left > 0:
            self._sent[client] = left
        else:
            self._sent.pop(client, None)

    def forget_sent(self, client: Client) -> None:
        """Forget the lines on their way: they will not be read, or are given back."""
        self._sent.pop(client, None)

    def forget(self, client: Client) -> None:
        """The client is gone."""
        self._sent.pop(client, None)
        self._held.pop(client, None)
        client.is_waiting = False

    def holds(self, client: Client) -> bool:
        """Whether lines of a client wait for earlier ones."""
        return client in self._held

    def is_free(self, client: Client) -> bool:
        """Whether held lines of a client wait for nothing any more."""
        return client in self._held and client.is_registered and client not in self._sent

    def hold(self, client: Client, lines: Iterable[Line]) -> None:
        """Let lines wait behind those that wait already."""
        client.is_waiting = True
        self._held.setdefault(client, deque()).extend(lines)

    def hold_first(self, client: Client, lines: Iterable[Line]) -> None:
        """Let lines wait before those that wait already."""
        self._held[client] = deque([*lines, *self._held.get(client, ())])

    def take_first(self, client: Client) -> Line:
        """Remove the first line that is held."""
        return self._held[client].popleft()

    def take_all(self, client: Client) -> deque[Line]:
        """Remove the lines that are held: the client waits no more."""
        client.is_waiting = False
        return self._held.pop(client)

    def save(self) -> dict[str, list[str]]:
        """The held lines by the client's key."""
        return {
            client.key: save_all(BYTES, [line for line in lines if isinstance(line, bytes)])
            for client, lines in self._held.items()
        }

    def load(self, saved: Mapping[str, Iterable[bytes]], clients: Mapping[str, Client]) -> None:
        """Continue with held lines that were saved, of clients by their keys."""
        for key, lines in saved.items():
            if key in clients:
                self._held[clients[key]] = deque(lines)

"""Sends the room's lines to the connections of its clients.

All lines of a turn to one audience are joined and sent at the end of the turn, so a turn costs one
system call for each recipient, for any number of lines. The order of a client's lines is kept:
before other bytes are written to a client in this turn, the lines so far are queued. They are
queued too for the recipients that are left after some time (`DIRECT_S`); the loop sends them with
other output, in later turns if there is much.

A client gets lines, or WebSocket messages of one type. Each form of a line is made once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from netd.listeners.chat.room.channel import Audience
from netd.listeners.chat.room.effect import Broadcast
from netd.listeners.chat.room.member import Client
from netd.protocols.websocket import Opcode, format_lines
from netd.runtime.loop import Loop

DIRECT_S: Final = 0.006
"""The time in which the lines of a turn are sent at its end: enough for 800 members, on an idle
machine. What is left is output of the loop."""
_PORTION: Final = 16  # a system call takes 5 to 30 us
_Write = Callable[[bytes], object]


class Outlet(Protocol):
    """The part of a stream that a fan-out needs."""

    def write(self, data: bytes) -> None:
        """Queue bytes for the end of this turn."""

    def send(self, data: bytes) -> None:
        """Send bytes at once; makes no callback."""


class Fanout:
    """The lines of this turn to one audience, until the turn ends or another line must follow."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._writes: dict[Client, _Write] = {}
        self._sends: dict[Client, _Write] = {}
        self._opcodes: dict[Client, Opcode] = {}  # of the clients that get WebSocket messages
        self._audience: Audience | None = None
        self._lines: list[Broadcast] = []

    def attach(self, client: Client, outlet: Outlet, opcode: Opcode | None = None) -> None:
        """Send a client's lines to this outlet, as WebSocket messages if they have a type."""
        self._opcodes.pop(client, None)
        if opcode is not None:
            self._opcodes[client] = opcode
        self._writes[client] = outlet.write
        self._sends[client] = outlet.send

    def detach(self, client: Client) -> None:
        """Forget a client; then it must leave the room, or get another outlet."""
        self.flush()  # the audience may still contain it
        del self._writes[client], self._sends[client]
        self._opcodes.pop(client, None)

    def add(self, line: Broadcast) -> None:
        """Send a line with this turn's others; audiences are compared by identity."""
        if line.audience is not self._audience:
            self.flush()
            self._audience = line.audience
            self._loop.defer(self._end_turn)
        self._lines.append(line)

    def send(self, clients: Sequence[Client], data: bytes) -> None:
        """Write bytes to some clients, after the lines so far."""
        self.flush()
        for opcode, receivers in self._by_opcode(clients):
            form = _form(opcode, data)
            for client in receivers:
                self._writes[client](form)

    def flush(self) -> None:
        """Queue the lines so far, so that later writes of this turn come after them."""
        self._send(is_last=False)

    def _end_turn(self) -> None:
        self._send(is_last=True)

    def _send(self, *, is_last: bool) -> None:
        if self._audience is None:
            return
        audience, lines = self._audience, self._lines
        self._audience, self._lines = None, []
        # After output that is late, the lines of several turns are sent with one call.
        is_direct = is_last and not self._loop.has_late_output
        end = self._loop.time() + DIRECT_S if is_direct else -math.inf
        skips = [line.skip for line in lines]
        speakers = set(skips)
        for tag_caps, clients in audience.items():
            encoded = [line.message.bytes_for(tag_caps) for line in lines]
            for opcode, receivers in self._by_opcode(clients):
                forms = [_form(opcode, line) for line in encoded]
                whole = b"".join(forms)
                for some in _portions(receivers):
                    sends = self._sends if self._loop.time() < end else self._writes
                    for client in some:
                        data = whole if client not in speakers else _without(client, skips, forms)
                        if data:
                            sends[client](data)

    def _by_opcode(
        self, clients: Sequence[Client]
    ) -> Iterable[tuple[Opcode | None, Sequence[Client]]]:
        """The clients by the type of message that they get; None for plain lines."""
        if not self._opcodes:
            return ((None, clients),)
        groups: dict[Opcode | None, list[Client]] = {}
        for client in clients:
            groups.setdefault(self._opcodes.get(client), []).append(client)
        return groups.items()


def _portions(clients: Sequence[Client]) -> Iterator[Sequence[Client]]:
    """Clients in portions, between which it is worth while to look at the clock."""
    for start in range(0, len(clients), _PORTION):
        yield clients[start : start + _PORTION]


def _form(opcode: Opcode | None, lines: bytes) -> bytes:
    return lines if opcode is None else format_lines(opcode, lines)


def _without(client: Client, skips: list[Client | None], forms: list[bytes]) -> bytes:
    """The lines that do not skip this client."""
    pairs = zip(skips, forms, strict=True)
    return b"".join([form for skip, form in pairs if skip is not client])

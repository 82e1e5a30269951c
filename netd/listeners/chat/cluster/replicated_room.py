"""A room on several hosts: changes go through the log, and take effect when they are read there.

Each host has all members and channels. Lines and other events of the clients of this host are put
into the log, with `append`, and `ApplyingRoom` applies them on all hosts. A client's own lines are
handled in their order: a line that only reads waits until those before it were read from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from netd.listeners.chat.cluster.applying_room import ApplyingRoom
from netd.listeners.chat.cluster.entrant import format_entrant
from netd.listeners.chat.cluster.node_name import number_of
from netd.listeners.chat.cluster.room_input import InputKind, RoomInput, format_input, parse_input
from netd.listeners.chat.cluster.shared_commands import READING, SHARED, command_of
from netd.listeners.chat.cluster.shared_room import Outcome
from netd.listeners.chat.cluster.waiting_claims import WaitingClaims
from netd.listeners.chat.cluster.waiting_lines import MAX_SENT
from netd.listeners.chat.room.capability import wire_names
from netd.listeners.chat.room.client_state import CheckPurpose, ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import elsewhere
from netd.listeners.chat.room.effect import Effect, TakePlace
from netd.listeners.chat.room.encoded_message import MessageIds
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.settings import RoomSettings
from netd.protocols.lines import Line
from netd.protocols.password import Verdict

_LOCAL_CHECKS = (CheckPurpose.SCRAM, CheckPurpose.SET)  # an exchange, and a new password


class ReplicatedRoom(ApplyingRoom):
    """The room of one node, with its clients; see Room for the methods without a description."""

    def __init__(  # noqa: PLR0913 (its callbacks are its interface)
        self,
        settings: RoomSettings,
        now: float,
        node: str,
        append: Callable[[bytes], object],
        when_current: Callable[[Client], object],
        *,
        on_bug: Callable[[Exception], object],
    ) -> None:
        """`when_current(client)` has `read_now` called when all that is in the log is applied."""
        self._when_current = when_current
        self._entrants: list[Client] = []
        self._claims = WaitingClaims()
        self._local_ids = MessageIds("")  # of batches, and for salts: they never come again
        super().__init__(settings, now, node, append, on_bug=on_bug)
        self._local_ids.last_number = self._next_number

    def _adopt_state(self) -> None:
        super()._adopt_state()
        self.state.entrants, self.state.local_ids = self._entrants, self._local_ids
        for client in self.state.unregistered:  # of another process
            self._wait_on(client)

    def _wait_on(self, client: Client) -> None:
        """Let a client whose token was not looked up yet wait in this process."""
        if client.is_waiting and not client.key:
            self._claims.add(client)

    def request_check(self) -> None:
        """Have all hosts compute their digests at the same entry of the log."""
        self._append(format_input(RoomInput(InputKind.CHECK, 0, b"")))

    def save_held(self) -> dict[str, list[str]]:
        """The lines that wait for earlier ones, by the client's key."""
        return self._lines.save()

    def load_waiting(self, engine: Mapping[str, Any], held: Mapping[str, Iterable[bytes]]) -> None:
        """Continue with the lines of another process that are not in the log, or wait for some."""
        for payload in [*engine["sent"], *engine["unsent"]]:
            item = parse_input(payload)
            client = self._clients.get(f"{self._node}/{item.client}")
            if client is not None and item.kind is InputKind.LINE:
                self._lines.add_sent(client)
        self._lines.load(held, self._clients)

    # Events of this host's clients.

    def receive(self, client: Client, line: Line, now: float) -> list[Effect]:
        if not client.is_registered:
            return self._log_arrivals(super().receive(client, line, now))
        if self._lines.holds(client):
            self._lines.hold(client, [line])
            return []
        sent = self._lines.sent(client)
        command = command_of(line) if isinstance(line, bytes) else ""
        if command in SHARED:
            assert isinstance(line, bytes)
            if sent < MAX_SENT:
                self._put_line(client, line)
                return []
        elif not sent and command not in READING:
            return self._read(client, line, now)
        self._lines.hold(client, [line])
        if not sent:
            self._when_current(client)
        return []

    def _read(self, client: Client, line: Line, now: float) -> list[Effect]:
        """Handle a line that concerns this host alone."""
        caps = client.caps
        effects = super().receive(client, line, now)
        if client.caps != caps:
            self._put_caps(client)
            if elsewhere.proof_of(client) != client.resume_proof:
                self._put_proof(client)
        return effects

    def verified(
        self, client: Client, now: float, verdict: Verdict, result: str = ""
    ) -> list[Effect]:
        check = client.password_check
        if check is None or not client.is_registered or check.purpose in _LOCAL_CHECKS:
            return self._log_arrivals(super().verified(client, now, verdict, result))
        words = (check.purpose.name, verdict.name, check.name, check.detail, result)
        self._put(InputKind.VERDICT, client, "\0".join(words).encode())
        return []

    def leave(self, client: Client, reason: str, now: float) -> list[Effect]:
        self._lines.forget(client)
        self._claims.forget(client)
        if client in self._entrants:  # the room was not known yet
            self._entrants.remove(client)
        if client.state is ClientState.GONE or client.key not in self._clients:
            return super().leave(client, reason, now)
        self._put(InputKind.LEAVE, client, reason.encode())
        client.is_remote = True  # its connection is closed: it gets nothing more
        self.state.on_clients_changed(client.member)
        return []

    def resume(self, client: Client, now: float) -> list[Effect]:
        return self._log_arrivals(super().resume(client, now))

    def end_ghost(self, client: Client, reason: str, now: float) -> list[Effect]:  # noqa: ARG002 (the log's time counts)
        if not client.is_waiting:
            client.is_waiting = True
            self._put(InputKind.LEAVE, client, reason.encode())
        return []

    def _log_arrivals(self, effects: list[Effect]) -> list[Effect]:
        """Put the clients that have registered, or returned, into the log."""
        for effect in effects:
            if isinstance(effect, TakePlace):
                returned = effect.client
                self._clients[returned.key] = returned
                self._put_caps(returned)
                self._put_proof(returned)
        while self.state.claimants:
            claimant = self.state.claimants.pop()
            self._claims.add(claimant)
            self._when_current(claimant)
        for client in self._take_entrants():
            self._name(client)
            self._clients[client.key] = client
            self._put(InputKind.ENTER, client, format_entrant(client))
        return effects

    def _take_entrants(self) -> list[Client]:
        """The clients that have registered and are to be put into the log."""
        taken = [*self._entrants]
        self._entrants.clear()
        return taken

    def _name(self, client: Client) -> None:
        self._clients.pop(client.key, None)  # an entry that was given back
        client.key = f"{self._node}/{self._next_number}"
        client.resume_proof = elsewhere.proof_of(client)
        self._use_numbers_after(self._next_number)

    def _put_line(self, client: Client, line: bytes) -> None:
        self._put(InputKind.LINE, client, line)
        self._lines.add_sent(client)

    def _put_caps(self, client: Client) -> None:
        self._put(InputKind.CAPS, client, " ".join(wire_names(client.caps)).encode())

    def _put_proof(self, client: Client) -> None:
        self._put(InputKind.PROOF, client, elsewhere.proof_of(client).encode())

    def _put(self, kind: InputKind, client: Client, data: bytes) -> None:
        self._append(format_input(RoomInput(kind, number_of(client.key), data)))

    # Lines that wait for the log.

    def release(self, clients: Iterable[Client], now: float) -> Iterator[Outcome]:
        """Handle the lines of these clients that do not wait any more."""
        for client in clients:
            if self._lines.is_free(client):
                yield from self._handle_held(client, now)

    def read_now(self, client: Client, now: float, *, is_current: bool = True) -> Iterator[Outcome]:
        """Handle the line that reads, or look up the token, for which `when_current` was called.

        `is_current` is false if the engine cannot be reached.
        """
        effects = self._claims.decide(self.state, client, now, is_current=is_current)
        if effects is not None:
            yield client, effects
        elif self._lines.is_free(client):
            yield client, self._read(client, self._lines.take_first(client), now)
            yield from self._handle_held(client, now)

    def _handle_held(self, client: Client, now: float) -> Iterator[Outcome]:
        lines = self._lines.take_all(client)
        while lines and not self._lines.holds(client):
            yield client, self.receive(client, lines.popleft(), now)
        if lines:
            self._lines.hold(client, lines)

    def expire(self, payloads: Iterable[bytes], now: float) -> Iterator[Outcome]:
        """Report to the senders of inputs that they are not in the log, and never will be."""
        for payload in payloads:
            item = parse_input(payload)
            client = self._clients.get(f"{self._node}/{item.client}")
            if client is None:
                continue
            context = CommandContext(self.state, client, now)
            if item.kind is InputKind.LINE:
                self._lines.settle(client)
                context.command = "*"
                text = "The line was not sent: the chat is not available at present"
                context.fail("TEMPORARILY_UNAVAILABLE", text)
            yield client, context.effects

"""A replicated room whose state can be lost, and is loaded again while its clients stay connected.

That is so when the host has fallen behind or was removed, or when the engine has lost entries. The
clients find their places in the new state, or enter again (`returning`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from netd.listeners.chat.cluster.replicated_room import LOST, Outcome, ReplicatedRoom
from netd.listeners.chat.cluster.returning import Return, put_in_place
from netd.listeners.chat.cluster.room_input import InputKind, parse_input
from netd.listeners.chat.cluster.shared_state import load_shared
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.effect import Effect
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import Message
from netd.protocols.lines import Line


class RecoveringRoom(ReplicatedRoom):
    """As a ReplicatedRoom, with the events of an engine that has lost the state."""

    def __init__(  # noqa: PLR0913 (as its base)
        self,
        settings: RoomSettings,
        now: float,
        node: str,
        append: Callable[[bytes], object],
        when_current: Callable[[Client], object],
        *,
        on_bug: Callable[[Exception], object],
    ) -> None:
        self._returns: dict[Client, Return] = {}  # of clients whose state was lost
        super().__init__(settings, now, node, append, when_current, on_bug=on_bug)

    def suspend_all(self) -> None:
        """Handle no lines of registered clients until `settle`: the state is not valid any more."""
        for client in self._clients.values():
            if not client.is_remote and client.is_registered:
                self._await_return(client)
        self.fast_path.clear()

    def _await_return(self, client: Client) -> None:
        if client not in self._returns:
            self._returns[client] = Return(client.member)
            self._lines.forget_sent(client)
            client.is_waiting = True

    def invite(self, clients: Iterable[Client]) -> None:
        """Have the clients of another room enter this one, as soon as its state is known."""
        for client in clients:
            client.key = ""
            if client.is_registered:
                self._await_return(client)
            else:
                self.state.unregistered[client] = None

    def give_back(self, payloads: Iterable[bytes]) -> None:
        """Have inputs of this host's clients put into the log anew, once these have returned."""
        clients = {client.key: client for client in [*self._returns, *self.state.unregistered]}
        lines: dict[Client, list[Line]] = {}
        for payload in payloads:
            item = parse_input(payload)
            client = clients.get(f"{self._node}/{item.client}")
            if client is None:
                continue
            if item.kind is InputKind.LINE:
                lines.setdefault(client, []).append(item.data)
            elif item.kind is InputKind.ENTER and client not in self._returns:
                self._entrants.append(client)
            elif item.kind is InputKind.VERDICT:
                client.password_check = None
        for client, given in lines.items():
            self._lines.hold_first(client, given)

    def begin(self, state: bytes, now: float) -> Iterator[None]:
        """Begin with a state that `save_shared` has made, or with an empty one.

        The room is replaced after the last step; until then its clients can come and go.
        """
        self.suspend_all()
        room = RoomState(self.state.settings, now, "")
        if state:
            room = yield from load_shared(state, self.state.settings, now)
        self.suspend_all()  # those that have come meanwhile
        earlier, settings = self.state, self.state.settings
        room.settings, room.cloak_key = settings, earlier.cloak_key
        room.unregistered.update(earlier.unregistered)
        room.ghosts.update(earlier.ghosts)
        self.replace(room)
        self._configure_channels(settings, now)

    def settle(self) -> Iterator[Outcome]:
        """Give the clients whose state was lost their places, when the log was read to its end."""
        for client, return_ in list(self._returns.items()):
            found = self._clients.get(client.key)
            if found is None or not found.is_registered:
                return_.make_entrant(self.state, client)
                self._entrants.append(client)
            else:
                if found is not client:
                    put_in_place(self.state, client, found)
                    self._clients[client.key] = client
                del self._returns[client]
                client.is_waiting = self._lines.holds(client)
            yield client, []
        self._log_arrivals([])
        self._remove_orphans()

    def _remove_orphans(self) -> None:
        """Remove the clients that are in the log as this host's, and are not here any more."""
        for key, client in self._clients.items():
            if client.is_remote and self._is_own(key) and not client.is_waiting:
                client.is_waiting = True
                self._put(InputKind.LEAVE, client, LOST.encode())

    def _on_removed(self, client: Client) -> None:
        if not client.is_remote:  # the node itself reads that it was removed
            self._await_return(client)

    def _enter(self, client: Client, now: float) -> list[Effect]:
        if client in self._returns:
            return self._enter_again(client, now)
        return super()._enter(client, now)

    def _enter_again(self, client: Client, now: float) -> list[Effect]:
        """Let a client in whose state was lost: without a welcome, with a new nick if need be."""
        client.is_remote = True  # for a moment: no replies
        effects = self.admit(client, now)
        client.is_remote = False
        if not client.is_registered:
            del self._clients[client.key]
            self._returns[client].take_another_nick(self.state.settings.limits.nick_chars)
            client.is_waiting = True
            self._entrants.append(client)
            return self._log_arrivals(effects)
        return_ = self._returns.pop(client)
        context = CommandContext(self.state, client, now)
        if return_.nick != client.member.nick:
            nick = (client.member.nick,)
            context.send_unlabeled(client, Message("NICK", nick, return_.prefix))
        if return_.channels:
            self._put_line(client, f"JOIN {','.join(return_.channels)}".encode())
        return [*effects, *context.effects]

"""A replicated room whose state can be lost, and is loaded again while its clients stay connected.

That is so when the host has fallen behind or was removed, or when the engine has lost entries. The
clients find their places in the new state, or return to it (`returning`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from netd.listeners.chat.cluster.arrival import format_channel
from netd.listeners.chat.cluster.catch_up import CatchUp
from netd.listeners.chat.cluster.earlier_room import EarlierRoom
from netd.listeners.chat.cluster.engine_contract import Loss
from netd.listeners.chat.cluster.missed_messages import MissedMessages
from netd.listeners.chat.cluster.netsplit import LOST
from netd.listeners.chat.cluster.node_name import node_of, number_of
from netd.listeners.chat.cluster.returning import Return, put_in_place, stop_watching, watch_again
from netd.listeners.chat.cluster.room_input import InputKind, RoomInput, format_input, parse_input
from netd.listeners.chat.cluster.shared_room import Outcome
from netd.listeners.chat.cluster.shared_state import load_shared
from netd.listeners.chat.cluster.splitting_room import SplittingRoom
from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import elsewhere, membership, registration
from netd.listeners.chat.room.effect import Effect
from netd.listeners.chat.room.level import FIRST_LEVEL
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import fold
from netd.protocols.lines import Line
from netd.protocols.saved_record import save_record


class RecoveringRoom(SplittingRoom):
    """As a SplittingRoom, with the events of an engine that has lost the state."""

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
        self._returned: dict[Client, Return] = {}  # those before them, until all have returned
        self._lacks_lines = False  # those that were sent to a member of this host alone
        self._missed = MissedMessages()
        self._offered: list[RegisteredAccount] = []
        self._replaces = False  # the offered accounts are newer than those of the engine
        self._is_known = False  # the room was loaded, and its log read to the end
        self._heritage: list[RoomState] = []  # of processes that were killed, or of other nodes
        self._newcomers: list[Client] = []  # whose lines wait for it: they may ask for a place
        super().__init__(settings, now, node, append, when_current, on_bug=on_bug)

    def suspend(self, client: Client, reason: str, now: float, unsent: bytes = b"") -> bool:
        is_kept = super().suspend(client, reason, now, unsent)
        if is_kept and client.key in self._clients and not client.resume_proof:
            identity = elsewhere.identity_of(self.state, client, client.member)
            if identity:  # for the other hosts, on which the client may look for its place
                self._put(InputKind.PROOF, client, identity.encode())
        return is_kept

    # The state is lost.

    def suspend_all(self, loss: Loss) -> None:
        """Handle no lines of registered clients until `settle`: the state is not valid any more."""
        if loss is Loss.REWOUND and not self._offered:  # else the room is the engine's already
            self.offer(self.state.accounts.registered(), replace=True)
        if loss in (Loss.FENCED, Loss.REWOUND):
            for return_ in self._returns.values():
                return_.is_sent = False  # the log has it no more, or it is given back
        self._await_all()
        self._lacks_lines |= loss in (Loss.GAP, Loss.DRIFTED)
        self.fast_path.clear()

    def _await_all(self) -> None:
        self._await_returns(client for client in self._clients.values() if not client.is_remote)

    def _before_loss(self, clients: Iterable[Client]) -> None:
        own = [client for client in clients if not client.is_remote]
        self._await_returns(own)
        for client in own:
            stop_watching(self.state, client)

    def _await_returns(self, clients: Iterable[Client]) -> None:
        present = [client for client in clients if client.is_registered]
        self._await_from(self.state, present, self._missed.note_given(self.state.ids.position))

    def _await_from(self, room: RoomState, clients: Sequence[Client], position: int) -> None:
        """Note what clients know of a room that is lost: its messages up to a position."""
        if not clients:
            return
        earlier = EarlierRoom(room, (client.member for client in clients), position)
        self._missed.watch(room, earlier.channels)
        for client in clients:
            self._returns[client] = Return(room, client, earlier)
            self._returned.pop(client, None)
            self._lines.forget_sent(client)
            client.is_waiting = True

    def invite(self, room: RoomState, clients: Iterable[Client]) -> None:
        """Have the clients of another room enter this one, as soon as its state is known."""
        present = []
        for client in clients:
            client.key = ""
            if client.is_registered:
                present.append(client)
            else:
                self.state.unregistered[client] = None
        self._await_from(room, present, room.ids.position)

    def take_in(
        self,
        node: str,
        room: RoomState,
        clients: Iterable[Client],
        held: Mapping[str, Iterable[bytes]],
    ) -> None:
        """Continue the clients of a node that has ended, which the log gives to this one.

        Those of `clients` are connected. `held` are the lines that wait, by the client's key.
        """
        names = {}
        for client in room.clients():
            if node_of(client.key) == node:
                names[client.key] = client
                client.key = f"{self._node}/{number_of(client.key)}"
        present: dict[Client, None] = {}
        for client in clients:
            if client.is_registered:
                present[client] = None
                continue
            self.state.unregistered[client] = None
            self._wait_on(client)
            if client.key:  # it is on its way through the log
                self._clients.setdefault(client.key, client)
        self._await_from(room, [*present], room.ids.position)
        self._lines.load(held, {key: client for key, client in names.items() if client in present})
        self._heritage.append(room)

    def append_of_ended(self, payloads: Iterable[bytes]) -> None:
        """Put the inputs of a node that has ended into the log, as those of this one."""
        clients = {client.key: client for client in self._returns}
        for payload in payloads:
            item = parse_input(payload)
            client = clients.get(f"{self._node}/{item.client}")
            if client is not None and item.kind is InputKind.LINE:
                self._lines.add_sent(client)
            self._append(payload)

    def offer(self, accounts: Iterable[RegisteredAccount], *, replace: bool) -> None:
        """Put accounts into the log, if the engine has lost what it had, or has none at all."""
        self._offered = [*accounts]
        self._replaces = replace

    def _put_offered(self) -> None:
        known, offered = self.state.accounts, self._offered
        self._offered = []
        if not self._replaces and any(True for _ in known.registered()):
            return  # which can be older than those of the engine
        for account in offered:
            if known.stored(fold(account.name)) != account:
                data = json.dumps(save_record(account)).encode()
                self._append(format_input(RoomInput(InputKind.ACCOUNT, 0, data)))

    def give_back(self, payloads: Iterable[bytes]) -> None:
        """Have inputs of this host's clients put into the log anew, once these have returned."""
        waiting = [*self._returns, *self.state.unregistered]
        clients = {client.key: client for client in waiting if not client.is_remote}
        lines: dict[Client, list[Line]] = {}
        for payload in payloads:
            item = parse_input(payload)
            client = clients.get(f"{self._node}/{item.client}")
            if item.kind is InputKind.EDIT:
                self._append(payload)
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
        self._await_all()
        room = RoomState(self.state.settings, now, "")
        room.level = FIRST_LEVEL
        if state:
            room = yield from load_shared(state, self.state.settings, now)
        self._await_all()  # those that have come meanwhile
        earlier, settings = self.state, self.state.settings
        self._missed.collect(earlier)
        room.settings, room.cloak_key = settings, earlier.cloak_key
        room.accounts.configured = settings.accounts
        room.ghosts.update(earlier.ghosts)
        self.replace(room)
        room.unregistered.update(
            (client, None)
            for client in earlier.unregistered
            if client not in self._returns and not client.is_remote  # the log has one that has left
        )
        self._missed.collect(room)
        for client in self._returns:
            client.member.channels.clear()  # it is in none of the new ones
        for client in room.unregistered:
            if client.key:  # it is on its way through the log, or has entered meanwhile
                self._clients.setdefault(client.key, client)
        self._configure_channels(settings, now)

    # The clients return.

    def _apply_all(self, node: str, items: Iterable[RoomInput], now: float) -> Iterator[Outcome]:
        return super()._apply_all(node, self._noting(items) if self._returns else items, now)

    def _noting(self, items: Iterable[RoomInput]) -> Iterator[RoomInput]:
        for item in items:
            self._missed.make_room(self.state)
            yield item

    def _adopt_state(self) -> None:
        super()._adopt_state()
        self.state.on_removal = self._note_removal

    def _note_removal(self, channel: Channel) -> None:
        self._missed.collect_from(self.state, channel)

    def settle(self, now: float) -> Iterator[Outcome]:
        """Give the clients whose state was lost their places, when the log was read to its end."""
        places = [(client, self._clients.get(client.key)) for client in self._returns]
        present = {client: found for client, found in places if found and found.is_registered}
        lost = [client for client, found in present.items() if found is not client]
        for client, found in present.items():
            return_ = self._returns.pop(client)
            client.is_waiting = self._lines.holds(client)
            if found is not client:  # or it was in the room all the time
                return_.may_lack_lines = self._lacks_lines
                self._returned[client] = return_
                self._put_in_place(client, found)
        self._lacks_lines = False
        yield from ((client, []) for client in present)
        yield from self._inform(lost, now)
        self._end_returns()
        yield from self._welcome_entered(now)
        self._is_known = True
        yield from ((client, []) for client in self._newcomers)
        self._newcomers.clear()
        for client in self._claims:
            yield from self.read_now(client, now)
            yield client, self.complete(client, now)  # unless it has to send more
        for client in self._take_entrants():  # they may find a place now
            yield client, self._log_arrivals(self.complete(client, now))
        self._put_offered()
        self._put_returns()
        self._log_arrivals([])
        self._remove_orphans()

    def _put_in_place(self, client: Client, found: Client) -> None:
        self._clients[found.key] = client
        put_in_place(self.state, client, found)
        self.fast_path.clear()  # its routes lead to the one before

    def _take_entrants(self) -> list[Client]:
        return super()._take_entrants() if self._is_known else []

    def inherit(self, room: RoomState) -> None:
        """Continue the clients of a process that was killed, as soon as the state is known.

        `room` is what it has saved last; from the log, all is known but what concerns single
        connections.
        """
        self._heritage.append(room)

    def enter(self, client: Client, now: float) -> list[Effect]:
        if self._heritage:
            client.is_waiting = True
            self._newcomers.append(client)
        return super().enter(client, now)

    def take_heritage(self) -> list[Client]:
        """Take over the clients that are in the log as this host's; they have no connection."""
        if not self._heritage:
            return []
        heritage, self._heritage = self._heritage, []
        for client in self._newcomers:
            client.is_waiting = False
        known = {client.key: client for room in heritage for client in room.clients()}
        ghosts = {client: ghost for room in heritage for client, ghost in room.ghosts.items()}
        connected = {client.key for client in (*self._returns, *self.state.unregistered)}
        taken = []
        for key, found in list(self._clients.items()):
            is_here = not found.is_remote or key in connected
            if is_here or not (found.is_registered and self._is_own(key)):
                continue
            client = known.get(key, found)
            if client is not found:
                self._put_in_place(client, found)
            client.is_remote = client.is_waiting = False
            self.state.on_clients_changed(client.member)
            if client in ghosts:
                self.state.ghosts[client] = ghosts[client]
            taken.append(client)
        return taken

    def _welcome_entered(self, now: float) -> Iterator[Outcome]:
        """Welcome the clients that have entered by entries which this host has not read."""
        for client in list(self.state.unregistered):
            found = self._clients.get(client.key)
            if found is None or found is client or not found.is_registered:
                continue
            del self.state.unregistered[client]
            if client.is_remote:  # it has left meanwhile
                continue
            self._put_in_place(client, found)
            client.is_waiting = self._lines.holds(client)
            context = CommandContext(self.state, client, now)
            registration.greet(context)
            for channel in self.state.channels_of(client.member):
                for _ in membership.show_channel(context, channel):
                    pass
            yield client, context.effects

    def _put_returns(self) -> None:
        """Append the clients that are not in the room to the log, and channels that are gone."""
        gone: dict[str, bytes] = {}
        for return_ in self._returns.values():
            for name in () if return_.is_sent else return_.claims:
                if name not in self.state.channels and name not in gone:
                    gone[name] = format_channel(return_.earlier.channels[name].channel)
        for data in gone.values():
            self._append(format_input(RoomInput(InputKind.CHANNEL, 0, data)))
        for client, return_ in self._returns.items():
            client.state = ClientState.REGISTERING
            self.state.unregistered[client] = None
            if not client.key:
                self._name(client)
            self._clients[client.key] = client
            if not return_.is_sent:
                return_.is_sent = True
                self._put(InputKind.RETURN, client, return_.format())

    def _remove_orphans(self) -> None:
        """Remove the clients that are in the log as this host's, and are not here any more."""
        for key, client in self._clients.items():
            if client.is_remote and self._is_own(key) and not client.is_waiting:
                client.is_waiting = True
                self._put(InputKind.LEAVE, client, LOST.encode())

    def _knowing(self) -> set[Client]:
        return {*self._returns, *self._returned}

    def _on_returned(self, clients: Sequence[Client], now: float) -> Iterator[Outcome]:
        own = [client for client in clients if client in self._returns]
        for client in own:
            return_ = self._returned[client] = self._returns.pop(client)
            client.is_waiting = self._lines.holds(client)
            if return_.ghost is not None:
                self.state.ghosts[client] = return_.ghost
            watch_again(self.state, client)
        yield from self._inform(own, now)
        self._end_returns()

    def _inform(self, clients: Sequence[Client], now: float) -> Iterator[Outcome]:
        """Send clients that are in the room again how that differs from what they know."""
        catch_up = CatchUp(self.state, self._missed, self._returned, self._returns, now)
        return catch_up.inform(clients)

    def _end_returns(self) -> None:
        if not self._returns:
            self._returned.clear()
            self._missed.clear()

    def leave(self, client: Client, reason: str, now: float) -> list[Effect]:
        return_ = self._returns.pop(client, None)
        self._returned.pop(client, None)
        self._end_returns()
        if return_ is not None and self._clients.get(client.key) is not client:
            # It is not in this room, or another client stands for it, which `settle` removes.
            self._lines.forget(client)
            self.state.ghosts.pop(client, None)
            client.state, client.is_remote = ClientState.GONE, True
            return []
        return super().leave(client, reason, now)

"""A replicated room whose hosts leave and return, each with all its members at once."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from functools import partial

from netd.listeners.chat.cluster.arrival import Arrival, free_nick, parse_arrival, rejoin
from netd.listeners.chat.cluster.netsplit import LOST, NetJoin, lose_members
from netd.listeners.chat.cluster.node_name import node_of
from netd.listeners.chat.cluster.replicated_room import ReplicatedRoom
from netd.listeners.chat.cluster.room_input import RoomInput
from netd.listeners.chat.cluster.shared_room import Outcome
from netd.listeners.chat.room import presence
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import attach
from netd.listeners.chat.room.effect import Effect
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.room import Room
from netd.protocols.irc import fold


class SplittingRoom(ReplicatedRoom):
    """As a ReplicatedRoom, with the effects of the events of a node."""

    def _lose_node(self, node: str, reason: str, now: float) -> list[Effect]:
        reason = reason or LOST
        lost = [
            client
            for key, client in self._clients.items()
            if node_of(key) == node and client.is_registered  # or of its next incarnation
        ]
        self._before_loss(lost)
        gone = {client.key: client for client in lost}
        for client in lost:
            del self._clients[client.key]
            self._pending.pop(client, None)
            client.is_replying = client.is_asking = False
        self.fast_path.clear()
        members = dict.fromkeys(client.member for client in lost)
        whole = [
            one
            for one in members
            if all(client.key in gone for client in one.clients)
            and not self.state.is_always_on(one)
        ]
        effects = lose_members(self.state, whole, node, reason, now)
        for client in lost:
            if client.is_registered:  # its member stays
                effects += Room.leave(self, client, reason, now)
        return effects

    def _before_loss(self, clients: Iterable[Client]) -> None:
        """Take note that clients are about to be removed with their node."""

    def _return(self, node: str, items: Iterable[RoomInput], now: float) -> Iterator[Outcome]:
        self.fast_path.clear()
        joined = NetJoin(self.state, node, now)
        returned, effects = [], []
        for item in items:
            context = self._guard(partial(self._arrive, f"{node}/{item.client}", item, joined, now))
            if context is not None:
                returned.append(context.client)
                effects += context.effects
        knowing = self._knowing() if node == self._node else ()
        yield None, self._guard(partial(joined.effects, knowing)) or []
        yield None, effects
        yield from self._on_returned(returned, now)

    def _knowing(self) -> Container[Client]:
        """The clients on this host that did not see the members of their host leave."""
        return ()

    def _on_returned(self, clients: Sequence[Client], now: float) -> Iterator[Outcome]:
        """Clients are in the room again; those that were lost on this host need to know it."""
        del clients, now
        return iter(())

    def _arrive(
        self, key: str, item: RoomInput, joined: NetJoin, now: float
    ) -> CommandContext | None:
        """Let one client in. Raises StateError if the input is malformed."""
        arrival = parse_arrival(item.data)
        client = self._clients.setdefault(key, arrival.client)
        if client.is_registered:
            return None  # the input is not of a host of this version
        client.key = key
        context = CommandContext(self.state, client, now)
        member = attach.member_of_account(context, arrival.client.member.account)
        if member is None:
            member = self._make_member(arrival)
        self.state.unregistered.pop(client, None)
        client.state = ClientState.REGISTERED
        self.state.add_client(client, member)
        presence.come_back(context, member)
        for folded, claim in arrival.claims.items():
            if folded not in member.channels:
                channel = rejoin(context, folded, claim)
                if channel is not None:
                    joined.add(member, channel)
        presence.announce_online(context, member)
        return context

    def _make_member(self, arrival: Arrival) -> Member:
        room, member = self.state, arrival.client.member
        member.set_nick(free_nick(room, member.nick))
        member.clients = ()
        member.is_registered = True
        member.read_markers = arrival.markers
        if member.account:
            member.read_markers = room.read_markers.setdefault(fold(member.account), {})
        room.members[member.folded] = member
        room.most_members = max(room.most_members, len(room.members))
        return member

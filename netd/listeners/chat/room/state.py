"""The state of the room: members, channels, settings, histories; without the rules."""

from __future__ import annotations

import heapq
from _blake2 import blake2s  # hashlib would load OpenSSL
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from netd.listeners.chat.room.account_rules import RegistrationThrottle
from netd.listeners.chat.room.accounts import Accounts
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.cloak import cloak
from netd.listeners.chat.room.encoded_message import MessageIds
from netd.listeners.chat.room.ghost import Ghost
from netd.listeners.chat.room.history import History, PrivateHistory
from netd.listeners.chat.room.level import LEVEL
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.memory import MARKER_BYTES, MEMBER_BYTES, Memory
from netd.listeners.chat.room.server_ban import ServerBans
from netd.listeners.chat.room.settings import RoomSettings
from netd.protocols.irc import fold

HIGH_WATER: Final = 0.9
LOW_WATER: Final = 0.8
SALT_BYTES: Final = 16
_MAX_KEY_BYTES: Final = 32  # of BLAKE2s


@dataclass(frozen=True, slots=True)
class WhowasEntry:
    """An earlier holder of a nick, for WHOWAS."""

    nick: str
    user: str
    host: str
    realname: str
    at: float


class RoomState:
    """The whole state of one IRC server. All keys are folded names (`protocols.irc.fold`)."""

    def __init__(self, settings: RoomSettings, now: float, identity: str) -> None:
        self.settings = settings
        self.memory = Memory(settings.limits.memory_bytes)
        self.created = now
        self.level = LEVEL  # of the rules; in a room on several hosts, the log determines it
        self.secret = settings.spare_secret  # what is made of it cannot be predicted
        self.accounts = Accounts(settings.accounts)
        self.registrations = RegistrationThrottle()
        self.cloak_key = settings.cloak_key or settings.spare_cloak_key
        self.members: dict[str, Member] = {}  # by nick; provisional members too
        self.unregistered: dict[Client, None] = {}
        self.absent: dict[Member, None] = {}  # without a client (always on), oldest absence first
        self.ghosts: dict[Client, Ghost] = {}  # the clients that have lost their connection
        self.channels: dict[str, Channel] = {}
        self.restored: set[Channel] = set()  # those that stay without members for some time
        self.watchers: dict[str, set[Client]] = {}  # by the nick that they MONITOR
        self.whowas: deque[WhowasEntry] = deque(maxlen=settings.limits.whowas)
        self.private_histories: dict[str, PrivateHistory] = {}  # by account
        self.read_markers: dict[str, dict[str, str]] = {}  # by account
        self.most_members = 0
        self.returned = self.not_returned = 0  # clients that were lost, by their outcome
        self.attached = self.refused_clients = 0  # clients of a member that had others, by outcome
        self.server_bans = ServerBans()
        self.refused_banned = 0  # clients that were refused because of a server ban
        self.ids = MessageIds(identity)
        self.local_ids: MessageIds | None = None  # of batches, in a room on several hosts
        self.host = ""  # the name of this host in such a room
        self.entrants: list[Client] | None = None
        """In a room on several hosts, the clients that have registered; the log lets them in."""
        self.claimants: list[Client] = []
        """In such a room, the clients with a token (RESUME) that is looked up in the log."""
        self.on_removal: Callable[[Channel], object] | None = None
        """Called before a channel is removed."""

    def next_batch_id(self) -> str:
        """The reference of a new batch."""
        return (self.local_ids or self.ids).next_id()

    def shown_host(self, address: str) -> str:
        """The host that members see for an address."""
        return cloak(address, self.cloak_key) if self.settings.cloaks else address

    def random_bytes(self) -> bytes:
        """Bytes for a salt or a nonce, which no client can predict, and which do not come again."""
        return self.secret_bytes(f"{self.ids.identity}-{self.next_batch_id()}")

    def secret_bytes(self, text: str) -> bytes:
        """Bytes that no client can predict, always the same ones for a text."""
        key = self.secret.encode()[:_MAX_KEY_BYTES]
        return blake2s(text.encode(), key=key, digest_size=SALT_BYTES).digest()

    def find_member(self, nick: str) -> Member | None:
        """The registered member with a nick."""
        member = self.members.get(fold(nick))
        if member is None or not member.is_registered:
            return None
        member.may_have_changed = True
        return member

    def give_up_nick(self, provisional: Member) -> None:
        """Free the nick of a member that is not registered."""
        if self.members.get(provisional.folded) is provisional:
            del self.members[provisional.folded]
        provisional.set_nick("")

    def registered_members(self) -> list[Member]:
        """All members whose registration is complete."""
        return [member for member in self.members.values() if member.is_registered]

    def note_most_members(self) -> None:
        """Note how many registered members there are, if there were never so many."""
        if len(self.members) > self.most_members:
            provisional = [client.member for client in self.unregistered]
            holders = sum(self.members.get(member.folded) is member for member in provisional)
            self.most_members = max(self.most_members, len(self.members) - holders)

    def clients(self) -> list[Client]:
        """All clients, registered or not; also those that have lost their connection."""
        registered = [client for member in self.registered_members() for client in member.clients]
        return [*registered, *self.unregistered]

    def find_channel(self, name: str) -> Channel | None:
        """The channel with a name."""
        channel = self.channels.get(fold(name))
        if channel is not None:
            channel.may_have_changed = True
        return channel

    def open_channel(self, name: str, now: float) -> Channel:
        """The channel with a name, created if there is none."""
        channel = self.find_channel(name)
        if channel is None:
            channel = Channel(name, now, self.settings.limits.history_lines, self.memory)
            channel.access.begin = self.ids.position + 1
            self.channels[channel.folded] = channel
        return channel

    def drop_if_empty(self, channel: Channel) -> None:
        """Remove a channel without members, unless it is persistent or restored."""
        if not channel.members and not channel.is_persistent and not channel.kept_until:
            for member in channel.invited:
                member.invites -= {channel.folded}
            if self.channels.get(channel.folded) is channel:
                if self.on_removal is not None:
                    self.on_removal(channel)
                del self.channels[channel.folded]
                channel.release_memory()

    def people_bytes(self) -> int:
        """The estimated memory of the members, and of the read markers of members and accounts."""
        others = (member for member in self.members.values() if not member.account)
        marks = [*self.read_markers.values(), *(member.read_markers for member in others)]
        members = len(self.members) + len(self.unregistered)
        return MEMBER_BYTES * members + MARKER_BYTES * sum(map(len, marks))

    def shorten_histories(self) -> None:
        """If the memory is nearly full, drop the oldest messages of the largest histories."""
        if self.memory.used < HIGH_WATER * self.memory.limit:
            return
        logs = [(-log.bytes, number, log) for number, log in enumerate(self.histories())]
        heapq.heapify(logs)
        while logs and logs[0][0] and self.memory.used > LOW_WATER * self.memory.limit:
            _, number, log = logs[0]
            log.drop((len(log.entries) + 1) // 2)
            heapq.heapreplace(logs, (-log.bytes, number, log))

    def histories(self) -> Iterator[History]:
        """The histories of all channels and private conversations."""
        for channel in self.channels.values():
            yield channel.history
        for private in self.private_histories.values():
            for _, log in private.conversations.values():
                yield log

    def channels_of(self, member: Member) -> list[Channel]:
        """The channels that a member is in, in the order of joining."""
        found = [self.channels[folded] for folded in member.channels]
        for channel in found:
            channel.may_have_changed = True
        return found

    def clients_near(self, member: Member) -> dict[Client, None]:
        """The other clients in a member's channels that are connected to this host, in order."""
        channels = self.channels_of(member)
        clients = dict.fromkeys(client for one in channels for client in one.clients())
        for own in member.clients:
            clients.pop(own, None)
        return clients

    def set_caps(self, client: Client, caps: int) -> None:
        """Replace a client's capabilities, which determine the form of the lines that it gets."""
        client.set_caps(caps)
        self.on_clients_changed(client.member)

    def is_always_on(self, member: Member) -> bool:
        """Whether a member stays when it has no client."""
        folded, settings = fold(member.account), self.settings
        if not folded or not settings.limits.absent_members:
            return False
        account, stored = self.accounts.find(folded), self.accounts.stored(folded)
        if self.accounts.is_suspended(folded) or (
            account is None and fold(member.local_user) != folded
        ):
            return False
        wishes = [known.always_on for known in (stored, account) if known is not None]
        return next((wish for wish in wishes if wish is not None), settings.always_on)

    def clients_allowed(self, account: str) -> int:
        """The number of clients of an account that may share its nick."""
        stored = self.accounts.stored(fold(account))
        is_single = stored is not None and stored.is_single
        return 1 if is_single else self.settings.limits.clients_per_account

    def add_client(self, client: Client, member: Member) -> None:
        """Make a client one of a member's, in place of its provisional member."""
        client.member.remove_client(client)
        client.member = member
        member.add_client(client)
        self.on_clients_changed(member)

    def on_clients_changed(self, member: Member) -> None:
        """Take note that a member has other clients, or a client other capabilities."""
        member.may_have_changed = True
        member.update_origin()
        for channel in self.channels_of(member):
            channel.forget_audience()

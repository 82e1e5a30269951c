"""A channel: its members, modes, lists, topic and history, and the checks that depend on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from netd.listeners.chat.room.access import Access
from netd.listeners.chat.room.encoded_message import message_of
from netd.listeners.chat.room.history import History
from netd.listeners.chat.room.mask import ACCOUNT, MUTE, matches
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.memory import CHANNEL_BYTES, LIST_ENTRY_BYTES, Memory
from netd.protocols.irc import Message, fold

PREFIXES: Final = {"o": "@", "v": "+"}  # highest first
LISTS: Final = "beI"
WORK_PER_MASK: Final = 2  # in the units of `Client.work`
MASK_CHARS_PER_WORK: Final = 16

Audience = Mapping[int, Sequence[Client]]
"""The clients of a channel's members by their tag capabilities: each form is encoded once."""


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of a ban, exception or invite-exception list."""

    mask: str
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Topic:
    """A channel's topic, the prefix of the member that set it, and the time."""

    text: str
    by: str
    at: float


class Channel:
    """One channel. `add` and `remove` also update the member's own set of channels."""

    def __init__(self, name: str, created: float, history_lines: int, memory: Memory) -> None:
        memory.kept += CHANNEL_BYTES
        self._memory = memory
        self.name = name
        self.folded = fold(name)
        self.created = created
        self.topic: Topic | None = None
        self.members: dict[Member, str] = {}  # to the status letters, highest first
        self.access = Access()  # to its history
        self.modes: dict[str, str] = {"n": "", "t": ""}
        self.lists: dict[str, dict[str, ListEntry]] = {letter: {} for letter in LISTS}
        self.invited: set[Member] = set()
        self.history = History(history_lines, memory)
        self.is_persistent = False  # stays without members
        self.earlier_status: dict[str, str] = {}  # before a restart, by `Member.identities`
        self.kept_until = 0.0  # a restored channel stays without members until then
        self._audience: Audience | None = None
        self._clients: dict[Client, None] | None = None  # those of this host; None: not known
        self.may_have_changed = True
        """Whether a command has found the channel since a snapshot has compared it."""

    @property
    def is_open(self) -> bool:
        """Whether anyone can join, unless banned: what is said is no secret (not +i, not +k)."""
        return "i" not in self.modes and "k" not in self.modes

    @property
    def is_secret(self) -> bool:
        """Whether the channel is hidden from clients outside (+s)."""
        return "s" in self.modes

    def is_known_to(self, member: Member) -> bool:
        """Whether the channel is shown to a member: not secret (+s), or the member is in it."""
        return not self.is_secret or member in self.members

    def shows_to(self, viewer: Member, member: Member) -> bool:
        """Whether a viewer may see that a member is in the channel (+s, and user mode +i)."""
        return viewer in self.members or not (self.is_secret or member.is_invisible)

    @property
    def kept_bytes(self) -> int:
        """The estimated memory of the channel."""
        entries = sum(map(len, self.lists.values()))
        return CHANNEL_BYTES + LIST_ENTRY_BYTES * entries + self.history.bytes

    def release_memory(self) -> None:
        """Subtract the channel from the room's memory, when it is removed."""
        self._memory.kept -= self.kept_bytes

    def add_entry(self, letter: str, entry: ListEntry) -> None:
        """Add an entry to a list that has none for its mask."""
        self.may_have_changed = True
        self._memory.kept += LIST_ENTRY_BYTES
        self.lists[letter][fold(entry.mask)] = entry

    def remove_entry(self, letter: str, folded_mask: str) -> ListEntry | None:
        """Remove an entry from a list, and return it; None if there is none."""
        self.may_have_changed = True
        entry = self.lists[letter].pop(folded_mask, None)
        if entry is not None:
            self._memory.kept -= LIST_ENTRY_BYTES
        return entry

    def messages(self) -> list[Message]:
        """The history, oldest first."""
        return list(map(message_of, self.history.entries))

    def add(self, member: Member, status: str = "") -> None:
        """Add a member; an invitation is used up."""
        self.may_have_changed = member.may_have_changed = True
        self.members[member] = status
        member.channels[self.folded] = None
        if member in self.invited:
            self.invited.remove(member)
            member.invites -= {self.folded}
        self._audience = None
        if self._clients is not None:
            self._clients.update(_of_this_host(member))

    def remove(self, member: Member) -> None:
        """Remove a member."""
        self.may_have_changed = member.may_have_changed = True
        del self.members[member]
        self.access.since.pop(member, None)
        del member.channels[self.folded]
        self.forget_clients(member.clients)

    def claim_status(self, member: Member) -> str:
        """Remove and return the status that a member had in the channel before a restart."""
        self.may_have_changed = True
        letters = [self.earlier_status.pop(identity, "") for identity in member.identities()]
        held = "".join(letter for letter in PREFIXES if letter in "".join(letters))
        if "o" in held:
            self.kept_until = 0.0
        return held

    def was_op(self, member: Member) -> bool:
        """Whether a member was an operator before a restart and has not come back yet."""
        return any("o" in self.earlier_status.get(who, "") for who in member.identities())

    def status_by_identity(self) -> dict[str, str]:
        """The status of all members that can be recognized after a restart."""
        present = {
            who: held
            for member, held in self.members.items()
            if held
            for who in member.identities()
        }
        return {**self.earlier_status, **present}

    def audience(self) -> Audience:
        """The clients of the members as they are now; a new object after every change."""
        if self._audience is None:
            groups: defaultdict[int, list[Client]] = defaultdict(list)
            for member in self.members:
                for client in member.clients:
                    if not client.is_remote:
                        groups[client.tag_caps].append(client)
            self._audience = groups
        return self._audience

    def clients(self) -> Collection[Client]:
        """The clients of all members that are connected to this host; not to be kept.

        An arrival changes it without a look at the other members, of which there can be thousands.
        """
        if self._clients is None:
            self._clients = {}
            for member in self.members:
                self._clients.update(_of_this_host(member))
        return self._clients.keys()

    def forget_clients(self, clients: Iterable[Client]) -> None:
        """Leave out clients that are not those of a member any more."""
        self._audience = None
        if self._clients is not None:
            for client in clients:
                self._clients.pop(client, None)

    def forget_audience(self) -> None:
        """Group the clients again at the next call: they or their capabilities have changed."""
        self._audience = self._clients = None

    def set_status(self, member: Member, letter: str, *, given: bool) -> bool:
        """Give or take operator or voice status; return whether that changed anything."""
        self.may_have_changed = True
        held = self.members[member]
        if (letter in held) == given:
            return False
        self.members[member] = "".join(
            status for status in PREFIXES if (given if status == letter else status in held)
        )
        return True

    def status_prefix(self, member: Member, *, every: bool) -> str:
        """The prefix of a nick in this channel: the highest one, or all (multi-prefix)."""
        held = self.members.get(member)
        if not held:
            return ""
        return "".join(PREFIXES[letter] for letter in (held if every else held[:1]))

    def members_with_status(self, letters: str) -> Iterator[Member]:
        """The members with at least one of these status letters."""
        return (member for member, held in self.members.items() if set(held) & set(letters))

    def is_op(self, member: Member) -> bool:
        """Whether a member is an operator of the channel or of the server."""
        return "o" in self.members.get(member, "") or bool(member.oper)

    def has_invite_exception(self, member: Member) -> bool:
        """Whether a member may join without an invitation (+I)."""
        return self._list_matches("I", member)

    def is_banned(self, member: Member) -> bool:
        """Whether a ban matches a member and no exception does."""
        return self._list_matches("b", member) and not self._list_matches("e", member)

    def is_muted(self, member: Member) -> bool:
        """Whether a mute (`m:` in the ban list) matches a member and no exception does."""
        is_exempt = self._list_matches("e", member) or self._list_matches("e", member, MUTE)
        return self._list_matches("b", member, MUTE) and not is_exempt

    def may_speak(self, member: Member) -> bool:
        """Whether a member may send a message to the channel (+n, +m, +M, +b)."""
        status = self.members.get(member)
        if status:
            return True
        if status is None and "n" in self.modes:
            return False
        is_barred = self.lists["b"] and (self.is_banned(member) or self.is_muted(member))
        is_silent = "m" in self.modes or ("M" in self.modes and not member.account)
        return not (is_silent or is_barred)

    def format_modes(self, *, with_key: bool) -> tuple[str, ...]:
        """The parameters of a MODE reply; without `with_key` the key is a star."""
        letters = sorted(self.modes)
        with_value = [letter for letter in letters if self.modes[letter]]
        values = [
            "*" if letter == "k" and not with_key else self.modes[letter] for letter in with_value
        ]
        return ("+" + "".join(letters), *values)

    def _list_matches(self, letter: str, member: Member, kind: str = "") -> bool:
        """Whether a mute (kind `MUTE`) or any other entry of a list matches a member.

        The comparison is charged to the member: it is the one that joins or speaks.
        """
        masks = [
            entry.mask.removeprefix(kind)
            for entry in self.lists[letter].values()
            if entry.mask.startswith(MUTE) == bool(kind)
        ]
        member.work += WORK_PER_MASK * len(masks) + sum(map(len, masks)) // MASK_CHARS_PER_WORK
        return any(_matches_member(mask, member) for mask in masks)


def _of_this_host(member: Member) -> dict[Client, None]:
    return dict.fromkeys(client for client in member.clients if not client.is_remote)


def _matches_member(mask: str, member: Member) -> bool:
    if mask.startswith(ACCOUNT):
        return bool(member.account) and matches(mask.removeprefix(ACCOUNT), member.account)
    return matches(mask, member.prefix) or (
        member.host != member.address and matches(mask, member.real_prefix)
    )

"""One channel: who is in it, its modes and lists, its topic, what was said."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netd.listeners.chat.room.mask import ACCOUNT, MUTE, matches
from netd.listeners.chat.room.member import Member
from netd.protocols.irc import Message, fold

if TYPE_CHECKING:
    from netd.listeners.chat.room.fast_path import Utterance

PREFIXES: Final = {"o": "@", "v": "+"}  # highest first
LISTS: Final = "beI"


Audience = Mapping[int, Sequence[Member]]  # by the tags they are sent: each form is made once


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of a ban, exception or invitation list."""

    mask: str
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Topic:
    """A channel's topic and who set it."""

    text: str
    by: str
    at: float


class Channel:
    """A channel's state; its rules are the commands'."""

    def __init__(self, name: str, created: float, history_lines: int) -> None:
        self.name = name
        self.folded = fold(name)
        self.created = created
        self.topic: Topic | None = None
        self.members: dict[Member, str] = {}  # to the status letters, highest first
        self.modes: dict[str, str] = {"n": "", "t": ""}
        self.lists: dict[str, dict[str, ListEntry]] = {letter: {} for letter in LISTS}
        self.invited: set[Member] = set()
        self.history: deque[Message | Utterance] = deque(maxlen=history_lines)
        self.is_kept = False
        self._audience: Audience | None = None

    @property
    def is_secret(self) -> bool:
        """Whether those outside are not told of it."""
        return "s" in self.modes

    def keep_lines(self, count: int) -> None:
        """Remember so many lines from now on."""
        if self.history.maxlen != count:
            self.history = deque(self.history, maxlen=count)

    def log(self) -> deque[Message]:
        """What was said, and what happened, the oldest first."""
        return deque(map(written, self.history))

    def add(self, member: Member, status: str = "") -> None:
        """Let a member in."""
        self.members[member] = status
        member.channels[self.folded] = self
        self.invited.discard(member)
        member.invites.discard(self.folded)
        self._audience = None

    def remove(self, member: Member) -> None:
        """Let a member out."""
        del self.members[member]
        del member.channels[self.folded]
        self._audience = None

    def regroup(self) -> None:
        """Forget the audience's grouping: somebody's capabilities changed."""
        self._audience = None

    def audience(self) -> Audience:
        """The members as they are now; another object as soon as they change."""
        if self._audience is None:
            groups: dict[int, list[Member]] = {}
            for member in self.members:
                groups.setdefault(member.tag_caps, []).append(member)
            self._audience = groups
        return self._audience

    def set_status(self, member: Member, letter: str, *, given: bool) -> bool:
        """Give or take op or voice; whether that changed anything."""
        held = self.members[member]
        if (letter in held) == given:
            return False
        self.members[member] = "".join(
            each for each in PREFIXES if (given if each == letter else each in held)
        )
        return True

    def status(self, member: Member, *, every: bool) -> str:
        """The prefix a nick is shown with: the highest, or every one it has."""
        held = self.members.get(member)
        if not held:
            return ""
        return "".join(PREFIXES[letter] for letter in (held if every else held[:1]))

    def is_op(self, member: Member) -> bool:
        """Whether a member may rule here: its operators, and the server's."""
        return "o" in self.members.get(member, "") or bool(member.oper)

    def is_welcome(self, member: Member) -> bool:
        """Whether a standing invitation (+I) fits a member."""
        return self._fits("I", member)

    def _fits(self, letter: str, member: Member, kind: str = "") -> bool:
        """Whether an entry of a list, of mutes or of the others, fits a member."""
        masks = (each.mask for each in self.lists[letter].values())
        return any(
            _identifies(mask.removeprefix(kind), member)
            for mask in masks
            if mask.startswith(MUTE) == bool(kind)
        )

    def is_banned(self, member: Member) -> bool:
        """Whether a ban fits a member and no exception does."""
        return self._fits("b", member) and not self._fits("e", member)

    def is_muted(self, member: Member) -> bool:
        """Whether a ban of speaking only fits a member and no exception does."""
        is_exempt = self._fits("e", member) or self._fits("e", member, MUTE)
        return self._fits("b", member, MUTE) and not is_exempt

    def may_speak(self, member: Member) -> bool:
        """Whether a member's message is let through (+n, +m, +b)."""
        status = self.members.get(member)
        if status:
            return True
        if status is None and "n" in self.modes:
            return False
        is_barred = self.lists["b"] and (self.is_banned(member) or self.is_muted(member))
        return "m" not in self.modes and not is_barred

    def shown_modes(self, *, with_key: bool) -> tuple[str, ...]:
        """The modes as MODE shows them; the key only to those inside."""
        letters = sorted(self.modes)
        shown = [self.modes[each] for each in letters if self.modes[each]]
        if not with_key and "k" in self.modes:
            shown[[each for each in letters if self.modes[each]].index("k")] = "*"
        return ("+" + "".join(letters), *shown)

    def with_status(self, letters: str) -> Iterator[Member]:
        """Members that hold one of these status letters."""
        return (each for each, held in self.members.items() if set(held) & set(letters))


def written(said: Message | Utterance) -> Message:
    """The message of an entry of a channel's history."""
    return said if isinstance(said, Message) else said.message()


def _identifies(mask: str, member: Member) -> bool:
    if mask.startswith(ACCOUNT):
        return bool(member.account) and matches(mask.removeprefix(ACCOUNT), member.account)
    return matches(mask, member.prefix) or (
        member.host != member.address and matches(mask, member.real_prefix)
    )

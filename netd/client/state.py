"""What we know of one conversation: the common ground of incoming lines and typed ones; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from netd.client.casemap import Casemap
from netd.client.divide import divide, room_bytes
from netd.client.event import Effect, Manner, Refused, Said, Told
from netd.client.outbox import MAX_WAITING, Outbox, Outgoing
from netd.client.roster import Roster

MAX_REMEMBERED_IDS: Final = 1000
_UNKNOWN_HOST: Final = "u" * 12 + "@" + "h" * 63  # as long as a user and host get


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we want to be, and where."""

    name: str
    channels: tuple[str, ...] = ("#lounge",)
    password: str = ""
    has_certificate: bool = False  # whether to log in with the one that is shown under TLS
    may_rename: bool = True  # whether another nick will do where ours is taken
    history_lines: int = 50
    burst: int = 10
    lines_per_s: float = 4.0


@dataclass(slots=True)
class State:
    """One conversation, over as many connections as it takes."""

    identity: Identity
    nick: str = field(init=False)
    wanted_nick: str = field(init=False)  # the one to ask for on the next connection
    source: str = ""  # nick!user@host as others see us, once known
    current: str = ""  # the channel or person that plain text goes to
    is_registered: bool = False
    was_registered: bool = False  # on any connection, this one or an earlier
    is_greeted: bool = False  # whether the message of the day was shown once
    is_quiet: bool = False
    fold: Casemap = field(default_factory=Casemap)
    roster: Roster = field(init=False)
    wanted: dict[str, tuple[str, ...]] = field(init=False)  # channels to be in, each with its key
    ignored: dict[str, str] = field(default_factory=dict)  # folded -> as written
    caps: set[str] = field(default_factory=set)
    batches: dict[str, list[Said]] = field(default_factory=dict)  # histories coming in
    heard_until: dict[str, str] = field(default_factory=dict)  # channel -> newest server time
    _ids: dict[str, None] = field(default_factory=dict)
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        self.nick = self.wanted_nick = self.identity.name
        self.roster = Roster(self.fold)
        self.outbox = Outbox(self.identity.burst, self.identity.lines_per_s, self.fold)
        self.wanted = {self.fold(name): (name,) for name in self.identity.channels}
        self.current = next(iter(self.identity.channels), "")

    @property
    def echoes(self) -> bool:
        """Whether the server shows us our own messages."""
        return "echo-message" in self.caps

    def learn(self, tokens: Sequence[str]) -> None:
        """Compare names as the server does, by the tokens of its RPL_ISUPPORT."""
        if self.fold.learn(tokens):
            self.wanted = {self.fold(channel[0]): channel for channel in self.wanted.values()}
            self.ignored = {self.fold(each): each for each in self.ignored.values()}

    def is_me(self, nick: str) -> bool:
        """Whether a nick is ours."""
        return self.fold(nick) == self.fold(self.nick)

    def mentions_me(self, text: str) -> bool:
        """Whether our nick stands in the text as a word of its own."""
        nick = rf"(?<!\w){re.escape(self.nick)}(?!\w)"
        return re.search(nick, text, re.IGNORECASE) is not None

    def is_open(self, target: str) -> bool:
        """Whether something can be said to a target now."""
        return self.is_registered and (not is_channel(target) or target in self.roster)

    def will_open(self, target: str) -> bool:
        """Whether something can be said to a target now, or once the connection is back."""
        if self.is_registered:
            return self.is_open(target)
        return not is_channel(target) or self.fold(target) in self.wanted

    def is_new(self, message_id: str) -> bool:
        """Whether a message's id was never seen; a message without one is always new."""
        if not message_id:
            return True
        if message_id in self._ids:
            return False
        self._ids[message_id] = None
        if len(self._ids) > MAX_REMEMBERED_IDS:
            del self._ids[next(iter(self._ids))]
        return True

    def say(self, target: str, text: str, manner: Manner = Manner.TEXT) -> list[Effect]:
        """Queue text for a target, in as many messages as it takes."""
        source = self.source or f"{self.nick}!{_UNKNOWN_HOST}"
        room = room_bytes(source, "PRIVMSG", target, manner)
        parts = [
            Outgoing(target, part, manner)
            for line in text.replace("\0", "").splitlines()
            if line.strip()
            for part in divide(line, room)
        ]
        if not self.outbox.put(*parts):
            return [Refused(f"{MAX_WAITING} messages wait already; this was dropped")]
        if parts and not self.is_registered:
            return [Told("not connected; kept until the connection is back")]
        return []


def is_channel(target: str) -> bool:
    """Whether a target is a channel rather than a person."""
    return target.startswith(("#", "&", "+", "!"))

"""One connected client, from its first byte to its last."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netd.listeners.chat.room.capability import TAG_CAPS, Cap
from netd.protocols.irc import fold

if TYPE_CHECKING:
    from netd.listeners.chat.room.channel import Channel


class Stage(enum.Enum):
    """How far a connection has come."""

    REGISTERING = enum.auto()
    PRESENT = enum.auto()
    GONE = enum.auto()


@dataclass(slots=True)
class Registering:
    """What is known only until registration is complete."""

    password: str = ""
    is_negotiating: bool = False  # between CAP LS or REQ and CAP END
    password_is_right: bool = False
    has_user: bool = False


@dataclass(slots=True)
class Login:
    """A SASL exchange under way."""

    mechanism: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """What to do when a password has been checked."""

    then: Callable[[Any, bool], None]
    label: str


class Member:
    """A client: who it is, what it can, where it sits.

    `write` is how its bytes leave, `send` how a whole turn's at the turn's end: the room carries
    them for the listener and never calls them.
    """

    __slots__ = (
        "account",
        "address",
        "away",
        "cap_version",
        "caps",
        "channels",
        "failed_logins",
        "fingerprint",
        "folded",
        "host",
        "idle_since",
        "invites",
        "is_secure",
        "local_user",
        "login",
        "markers",
        "modes",
        "monitoring",
        "nick",
        "oper",
        "pending",
        "prefix",
        "realname",
        "registering",
        "send",
        "signed_on",
        "stage",
        "tag_caps",
        "user",
        "write",
    )

    def __init__(
        self,
        write: Callable[[bytes], object],
        host: str,
        *,
        local_user: str = "",
        fingerprint: Callable[[], str] = str,
        is_secure: bool = False,
    ) -> None:
        self.write = self.send = write
        self.address = self.host = host  # where it really is, and what is shown of that
        self.fingerprint = fingerprint  # of its TLS certificate; empty for none
        self.local_user = local_user  # the system's name for the peer, on a Unix socket
        self.is_secure = is_secure
        self.nick = self.user = self.realname = self.folded = ""
        self.prefix = "*"
        self.account = self.away = self.oper = ""
        self.modes: set[str] = set()
        self.caps = self.tag_caps = 0
        self.cap_version = 301
        self.channels: dict[str, Channel] = {}
        self.invites: set[str] = set()
        self.monitoring: dict[str, str] = {}  # folded -> as written
        self.stage = Stage.REGISTERING
        self.registering = Registering()
        self.login = Login()
        self.markers: dict[str, str] = {}  # folded target -> how far it was read
        self.pending: Pending | None = None
        self.failed_logins = 0
        self.signed_on = self.idle_since = 0.0

    @property
    def shown_nick(self) -> str:
        """The nick as replies address it, also before there is one."""
        return self.nick or "*"

    def has(self, cap: Cap) -> bool:
        """Whether the client asked for a capability."""
        return self.caps & int(cap) != 0  # asked for everybody in a channel: `value` is slow

    def set_caps(self, caps: int) -> None:
        """Replace the capabilities; channels regroup their audience."""
        self.caps = caps
        self.tag_caps = caps & TAG_CAPS
        for channel in self.channels.values():
            channel.regroup()

    def name(self, nick: str, user: str = "") -> None:
        """Take a nick, and a user name where one is given."""
        self.nick, self.folded = nick, fold(nick)
        self.user = user or self.user
        self.prefix = f"{self.nick}!{self.user}@{self.host}"

    @property
    def real_prefix(self) -> str:
        """The prefix with the address, whatever host is shown."""
        return f"{self.nick}!{self.user}@{self.address}"

    def peers(self) -> dict[Member, None]:
        """Everybody who shares a channel with it, itself left out; an ordered set."""
        found = dict.fromkeys(
            member for channel in self.channels.values() for member in channel.members
        )
        found.pop(self, None)
        return found

"""A member: one client of the room, from its connection to its end. Plain state, no rules."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from netd.listeners.chat.room.capability import TAG_CAPS, Cap
from netd.protocols.irc import fold


class MemberState(enum.Enum):
    """The state of a client in the room."""

    REGISTERING = enum.auto()
    REGISTERED = enum.auto()
    GONE = enum.auto()


@dataclass(slots=True)
class Registration:
    """The state of a client's registration, until the welcome."""

    password: str = ""
    is_negotiating: bool = False  # between CAP LS or REQ and CAP END
    password_is_right: bool = False
    has_user: bool = False
    resume_token: str = ""  # of the place that the client wants back


@dataclass(slots=True)
class SaslExchange:
    """A SASL exchange in progress; no mechanism means none."""

    mechanism: str = ""
    data: str = ""


class CheckPurpose(enum.Enum):
    """The purpose of a password check; the value is its name in the log."""

    CONNECT = "PASS"
    SASL = "SASL"
    OPER = "OPER"


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """A password check in progress, and the data that is needed to continue after it."""

    purpose: CheckPurpose
    name: str  # of the account or operator
    label: str  # of the line that caused it (labeled-response)


class Member:
    """A client's identity, capabilities, modes and channels."""

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
        "is_replying",
        "is_secure",
        "local_user",
        "modes",
        "monitoring",
        "nick",
        "oper",
        "password_check",
        "prefix",
        "read_markers",
        "realname",
        "registration",
        "resume_token",
        "sasl",
        "signed_on",
        "state",
        "tag_caps",
        "user",
        "work",
    )

    def __init__(
        self, host: str, *, local_user: str = "", is_secure: bool = False, resume_token: str = ""
    ) -> None:
        # Facts about the connection, from the listener.
        self.address = host
        self.local_user = local_user  # the system user at the other end of a Unix socket
        self.is_secure = is_secure  # the connection is under TLS
        self.resume_token = resume_token  # a random text that only this client gets (RESUME)
        self.fingerprint = ""  # of the client's certificate, once the handshake is complete

        # The client's side of the protocol.
        self.state = MemberState.REGISTERING
        self.registration = Registration()
        self.caps = self.tag_caps = 0
        self.cap_version = 301
        self.sasl = SaslExchange()
        self.password_check: PasswordCheck | None = None
        self.failed_logins = 0

        # The cost of the client to the server.
        self.is_replying = False  # a part of the reply to its last line is pending
        self.work = 0  # that was done for it and is not charged yet, in units of about 1 us

        # The member as other members see it.
        self.nick = self.folded = self.user = self.realname = ""
        self.host = host
        self.prefix = "*"
        self.account = self.away = self.oper = ""
        self.modes: set[str] = set()
        self.signed_on = self.idle_since = 0.0

        # Channels, invitations, monitored nicks and read markers.
        self.channels: dict[str, None] = {}  # folded names, in the order of joining
        self.invites: set[str] = set()  # folded names of channels
        self.monitoring: dict[str, str] = {}  # folded nick -> nick as the client wrote it
        self.read_markers: dict[str, str] = {}  # folded target -> timestamp

    @property
    def is_registered(self) -> bool:
        """True from the welcome until the member leaves."""
        return self.state is MemberState.REGISTERED

    @property
    def is_invisible(self) -> bool:
        """Whether members outside its channels see it only by its nick (+i)."""
        return "i" in self.modes

    @property
    def is_bot(self) -> bool:
        """Whether it is marked as a program (+B)."""
        return "B" in self.modes

    @property
    def shown_nick(self) -> str:
        """The nick that replies are addressed to; "*" before there is one."""
        return self.nick or "*"

    @property
    def real_prefix(self) -> str:
        """The prefix with the real address in place of the shown host."""
        return f"{self.nick}!{self.user}@{self.address}"

    def identities(self) -> list[str]:
        """The attributes that identify the member after a restart: its account and local user."""
        account = [f"account:{fold(self.account)}"] if self.account else []
        return account + ([f"user:{self.local_user}"] if self.local_user else [])

    def has(self, cap: Cap) -> bool:
        """Whether the client has requested a capability."""
        return self.caps & int(cap) != 0  # hot: `cap.value` is slower than int()

    def set_caps(self, caps: int) -> None:
        """Replace the capabilities. `RoomState.set_caps` also updates the channels."""
        self.caps = caps
        self.tag_caps = caps & TAG_CAPS

    def set_nick(self, nick: str) -> None:
        """Take a nick."""
        self.nick, self.folded = nick, fold(nick)
        self.update_prefix()

    def update_prefix(self) -> None:
        """Compute the prefix again, after the nick, user or host has changed."""
        if self.nick:
            self.prefix = f"{self.nick}!{self.user}@{self.host}"

    def message_tags(self) -> dict[str, str]:
        """The tags of every message from this member."""
        tags = {"account": self.account} if self.account else {}
        if self.is_bot:
            tags["bot"] = ""
        return tags

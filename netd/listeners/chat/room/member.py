"""Members and their clients: a person in the room, and each connection of that person.

Plain state, no rules. What other members see, and what decides about a line, belongs to the member;
what concerns one connection belongs to the client. The two classes refer to each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Self

from netd.listeners.chat.room.capability import TAG_CAPS, Cap
from netd.listeners.chat.room.client_state import (
    NO_REGISTRATION,
    NO_SASL,
    ClientState,
    PasswordCheck,
)
from netd.listeners.chat.room.multiline import OpenBatch
from netd.protocols.irc import fold

NOTHING: Final[frozenset[str]] = frozenset()
"""No modes, or no invitations; most members share it."""


class Member:
    """A person in the room: identity, modes and channels. Members know no capability.

    Until its welcome a client has a provisional member, which no other member sees.
    """

    __slots__ = (
        "absent_since",
        "accepted",
        "account",
        "address",
        "away",
        "channels",
        "clients",
        "folded",
        "host",
        "idle_since",
        "invites",
        "is_auto_away",
        "is_registered",
        "local_user",
        "may_have_changed",
        "modes",
        "nick",
        "oper",
        "own_host",
        "prefix",
        "read_markers",
        "realname",
        "signed_on",
        "user",
        "work",
    )

    def __init__(self, address: str, local_user: str = "") -> None:
        self.clients: tuple[Client, ...] = ()  # oldest first
        self.is_registered = False  # from the welcome until the member leaves
        self.absent_since = 0.0  # when the last client left; 0 while there is one
        self.is_auto_away = False  # it is shown away because it has no client

        # Facts about the clients, which remain without any.
        self.address = address  # of the oldest client
        self.local_user = local_user  # of all clients; empty if they differ

        # The member as other members see it.
        self.nick = self.folded = self.user = self.realname = ""
        self.host = self.own_host = address  # own_host: without the host of an account
        self.prefix = "*"
        self.account = self.away = self.oper = ""
        self.modes = NOTHING
        self.accepted: dict[str, float] = {}  # in spite of +R: folded nick -> signed_on
        self.signed_on = self.idle_since = 0.0

        # Channels, invitations and read markers.
        self.channels: dict[str, None] = {}  # folded names, in the order of joining
        self.invites = NOTHING  # folded names of channels
        self.read_markers: dict[str, str] = {}  # folded target -> timestamp

        self.work = 0  # the comparison with masks, until it is charged to a client
        self.may_have_changed = True
        """Whether a command has found the member since a snapshot has compared it."""

    @property
    def is_invisible(self) -> bool:
        """Whether members outside its channels see it only by its nick (+i)."""
        return "i" in self.modes

    @property
    def is_registered_only(self) -> bool:
        """Whether only members with an account may send it private messages (+R)."""
        return "R" in self.modes

    @property
    def mode_letters(self) -> str:
        """All modes; +r shows that the member is logged in."""
        return "".join(sorted(self.modes | ({"r"} if self.account else set())))

    def has_accepted(self, other: Member) -> bool:
        """Whether another member may send it private messages in spite of +R."""
        return self.accepted.get(other.folded) == other.signed_on

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

    def set_nick(self, nick: str) -> None:
        """Take a nick."""
        folded = fold(nick)
        self.nick, self.folded = nick, nick if folded == nick else folded  # one text, if it can be
        self.update_prefix()

    def update_prefix(self) -> None:
        """Compute the prefix again, after the nick, user or host has changed."""
        if self.nick:
            self.prefix = f"{self.nick}!{self.user}@{self.host}"

    def share_host(self) -> None:
        """Keep one text if the hosts are equal to the address, as most are; they were loaded."""
        if self.own_host == self.address:
            self.own_host = self.address
        if self.host == self.own_host:
            self.host = self.own_host

    def set_mode(self, letter: str, *, given: bool) -> None:
        """Give or take a mode."""
        modes = self.modes | {letter} if given else self.modes - {letter}
        self.modes = modes or NOTHING

    def add_client(self, client: Client) -> None:
        """Add a client as the newest one. `RoomState.add_client` also updates the client."""
        self.clients = (*self.clients, client)

    def remove_client(self, client: Client) -> None:
        """Remove a client, if it is one of the member's."""
        self.clients = tuple(present for present in self.clients if present is not client)

    def replace_client(self, former: Client, client: Client) -> None:
        """Put a client in the place of another one."""
        self.clients = tuple(client if one is former else one for one in self.clients)

    def update_origin(self) -> None:
        """Take the facts about the clients, after these have changed."""
        users = {client.local_user for client in self.clients}
        for oldest in self.clients:
            self.address = oldest.address
            self.local_user = oldest.local_user if len(users) == 1 else ""
            return

    def message_tags(self) -> dict[str, str]:
        """The tags of every message from this member."""
        tags = {"account": self.account} if self.account else {}
        if self.is_bot:
            tags["bot"] = ""
        return tags


class Client:
    """A connection as the room sees it: its protocol, its capabilities, and its member."""

    __slots__ = (
        "address",
        "cap_version",
        "caps",
        "failed_logins",
        "fingerprint",
        "is_asking",
        "is_hook",
        "is_remote",
        "is_replying",
        "is_secure",
        "is_waiting",
        "key",
        "local_user",
        "member",
        "monitoring",
        "open_batch",
        "password_check",
        "refund",
        "registration",
        "resume_proof",
        "resume_token",
        "sasl",
        "state",
        "tag_caps",
        "web_user",
        "work",
    )

    def __init__(
        self,
        address: str,
        *,
        local_user: str = "",
        web_user: str = "",
        is_secure: bool = False,
        resume_token: str = "",
    ) -> None:
        """Make a client with a provisional member."""
        # Facts about the connection, from the listener.
        self.address = address
        self.local_user = local_user  # the system user at the other end of a Unix socket
        self.web_user = web_user  # the user of the HTTP route, whose password was right
        self.is_secure = is_secure  # the connection is under TLS
        self.resume_token = resume_token  # a random text that only this client gets (RESUME)
        self.is_hook = False  # it speaks for scripts, in the process of the listener
        self.fingerprint = ""  # of the client's certificate, once the handshake is complete

        # The client's side of the protocol.
        self.state = ClientState.REGISTERING
        self.registration = NO_REGISTRATION
        self.caps = self.tag_caps = 0
        self.cap_version = 301
        self.sasl = NO_SASL
        self.password_check: PasswordCheck | None = None
        self.failed_logins = 0
        self.open_batch: OpenBatch | None = None  # the message of several lines that it sends
        self.monitoring: dict[str, str] = {}  # folded nick -> nick as the client wrote it

        # Its part in a room on several hosts.
        self.key = ""  # names it on all hosts; empty in a room on one
        self.resume_proof = ""  # the hash of its token, which all hosts know
        self.is_remote = False  # another host has its connection, and sends it its lines
        self.is_waiting = False  # what it has sent is not in the log yet

        # The cost of the client to the server.
        self.refund = 0.0  # tokens of flood control, for lines that cost less than others
        self.is_replying = False  # a part of the reply to its last line is pending
        self.is_asking = False  # and waits for the database
        self.work = 0  # that was done for it and is not charged yet, in units of about 1 us

        self.member = Member(address, local_user)
        self.member.clients = (self,)

    @classmethod
    def absent(cls, member: Member) -> Self:
        """A client in place of the ones that a member does not have: the sender of its events."""
        client = cls(member.address)
        client.state = ClientState.GONE
        client.member = member
        return client

    @property
    def is_registered(self) -> bool:
        """True from the client's welcome until it leaves."""
        return self.state is ClientState.REGISTERED

    @property
    def must_wait(self) -> bool:
        """Whether its next line waits for a password check, or for the log."""
        return self.is_waiting or self.password_check is not None

    def register(self, **facts: Any) -> None:  # noqa: ANN401 (the attributes have their own types)
        """Change attributes of the registration."""
        self.registration = replace(self.registration, **facts)

    def has(self, cap: Cap) -> bool:
        """Whether the client has requested a capability."""
        return self.caps & int(cap) != 0  # hot: `cap.value` is slower than int()

    def set_caps(self, caps: int) -> None:
        """Replace the capabilities. `RoomState.set_caps` also updates the channels."""
        self.caps = caps
        self.tag_caps = caps & TAG_CAPS

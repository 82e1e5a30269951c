"""The options of a chat listener. The running worker takes every change of them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Interval, MaxLen

from netd.config.address import Address
from netd.config.annotations import (
    AfterValidator,
    FilePath,
    NeedsNewWorker,
    OneOrMany,
    Pattern,
    Secret,
    Table,
    UsedAsIs,
)
from netd.config.model import Networks
from netd.config.units import Duration, Size
from netd.listeners.chat.cluster.options import ClusterOptions
from netd.listeners.logins.login_options import LoginOptions
from netd.listeners.tls_options import TlsOptions


def _normalize_fingerprint(text: str) -> str:
    """Take the colons out that `openssl x509 -fingerprint -sha256` prints."""
    return text.replace(":", "").lower()


Password = Annotated[str, Secret()]
AccountName = Annotated[str, Pattern(r"^[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}-]*$")]
SingleLine = Annotated[str, Pattern(r"^[^\r\n]*$")]  # it is sent within one IRC message
Fingerprint = Annotated[
    str, Pattern(r"^([0-9A-Fa-f]{2}:?){32}$"), AfterValidator(_normalize_fingerprint)
]


@dataclass(frozen=True, kw_only=True, slots=True)
class OperOptions(Table):
    """`[[listeners.NAME.opers]]`: a user who may become an IRC operator."""

    name: Annotated[str, Pattern(r"^[^\s:]\S*$")]
    """The name that the user gives with OPER."""

    password: Password
    """The password, in plain text or hashed by `netd passwd`."""


Fingerprints = OneOrMany[Fingerprint]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountOptions(Table):
    """`[[listeners.NAME.accounts]]`: an account that a client can log in to with SASL."""

    name: AccountName
    """The name of the account. It is reserved as a nick: a new client can use it if it logs in
    before its registration is complete, and no other member can change its nick to it. The owner
    takes the nick back from another connection with REGAIN, or ends that connection with GHOST."""

    password: Password = ""
    """The password, in plain text or hashed by `netd passwd`; empty for no login by password. A
    hash of `netd passwd` without `--scram` cannot be used by SCRAM-SHA-256."""

    fingerprints: Fingerprints = ()
    """The SHA-256 fingerprints of TLS client certificates that log in to it, in hexadecimal."""

    local_user: str = ""
    """The user of this system who needs no password for the account on a Unix socket."""

    host: Annotated[str, Pattern(r"^([A-Za-z0-9][A-Za-z0-9./-]{0,62})?$")] = ""
    """The host name that other members see in place of the address; empty for the address."""

    always_on: bool | None = None
    """Whether the member of this account is always on; by default as `always_on` of the listener
    says. What the user has set takes precedence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatTlsOptions(TlsOptions):
    """`[listeners.NAME.tls]`: TLS 1.2 and 1.3 on some or all TCP addresses, not on Unix sockets."""

    ports: tuple[int, ...] = ()
    """The ports of `address` that speak TLS, as in `[6697]`; empty for all. A Unix socket
    speaks no TLS, so that clients on this machine need no certificate."""

    client_ca: str = ""
    """The PEM file of the client certificates that are accepted, or of their issuers; empty to
    request no certificate. A client with another certificate cannot connect."""

    sts_duration: Duration = 0.0
    """How long clients have to use TLS after they connect (IRCv3 strict transport security); 0 for
    no such policy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistrationOptions(Table):
    """`[listeners.NAME.registration]`: users may register accounts, by REGISTER or NickServ.

    Without this table they cannot. Registered accounts are kept in the database (`history_file`);
    without a database none can be registered. In a `cluster` they are in the engine.
    """

    max_accounts: Annotated[int, Interval(ge=1, le=100_000)] = 1000
    """The number of accounts that users may register, dropped ones included."""

    burst: Annotated[int, Ge(1)] = 3
    """The number of accounts that one address, or one IPv6 /64 network, may register at once, by
    each worker."""

    interval: Annotated[Duration, Gt(0)] = 3600.0
    """The time after which the address may register one more account."""

    before_connect: bool = False
    """Whether a client may register an account before its connection is complete, as it must where
    only members with an account are admitted. It has no effect on a listener with a `password`."""

    require_email: bool = False
    """Whether a user has to give an e-mail address. No mail is sent to it: operators see it, for
    the case that the user forgets the password."""

    min_password_length: Annotated[int, Interval(ge=1, le=100)] = 8
    """The least number of characters of a password."""

    reserved_names: tuple[AccountName, ...] = (
        *("abuse", "admin", "administrator", "help", "info", "moderator", "operator", "root"),
        *("security", "support", "system", "webmaster"),
    )
    """The names that users cannot register, beside those of operators and services."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatOptions(LoginOptions):
    """An IRC server.

    Members who connect to a Unix socket are shown with their verified local user name.
    """

    removed_keys: ClassVar = {
        "flood_control": "write flood_rate = 0 to turn flood control off",
        "description": "clients are shown `network` instead",
    }

    kind: Literal["chat"] = "chat"
    """The kind: chat."""

    cluster: Annotated[ClusterOptions | None, NeedsNewWorker()] = None
    """Several hosts are one chat, by way of an engine: see `[listeners.NAME.cluster]`."""

    workers: Annotated[int, Interval(ge=1, le=64)] = 1
    """The number of worker processes; they share the listener's sockets. More than one needs
    `cluster`: each worker is then a node of the chat, as a host of its own would be."""

    poller: Literal["select", "poll", "epoll"] = "select"
    """The system call that waits for input; `select` can serve about 1000 members."""

    server_name: Annotated[str, Pattern(r"^([^\s:]\S{0,62})?$")] = ""
    """The name of the server; empty for the host name."""

    network: Annotated[str, Pattern(r"^\S([\S ]{0,48}\S)?$")] = "netd"
    """The name of the IRC network, which clients show; it may have spaces."""

    channel: Annotated[str, Pattern(r"^(#[^\s,:]{1,63})?$")] = "#lounge"
    """The permanent channel, which also exists without members; empty for none."""

    topic: Annotated[SingleLine, MaxLen(300)] = ""
    """The topic of `channel` when the listener starts."""

    join_channel: bool = False
    """Whether new members join `channel` automatically."""

    motd: str = "Welcome. Type /join {channel} to meet the others."
    """The message of the day, which may have several lines; `{channel}` is replaced by the name of
    `channel`. Empty for none."""

    admin: Annotated[tuple[SingleLine, ...], MaxLen(3)] = ()
    """The reply to ADMIN, in up to three lines: location, name and mail address of the
    administrator."""

    password: Password = ""
    """The password that every client has to give, except one that logs in to an account by SASL; in
    plain text or hashed by `netd passwd`, empty for none."""

    tls: ChatTlsOptions | None = None
    """Serve with TLS; a reload reads the certificate again."""

    opers: tuple[OperOptions, ...] = ()
    """The operators of the server."""

    opers_file: FilePath = ""
    """A file with more operators, one `NAME:HASH` on each line; it is read again when it
    changes."""

    accounts: tuple[AccountOptions, ...] = ()
    """The accounts that clients can log in to."""

    accounts_file: FilePath = ""
    """A file with more accounts, one `NAME:HASH` on each line; it is read again when it changes."""

    registration: RegistrationOptions | None = None
    """Let users register accounts."""

    connect_burst: Annotated[int, Ge(1)] = 30
    """The number of connections that one address, or one IPv6 /64 network, may open at once to each
    worker."""

    connect_rate: Annotated[float, Ge(0)] = 0.5
    """The number of connections that it may open per second on average to each worker; 0 for no
    limit."""

    connect_exempt: Networks = (ip_network("127.0.0.0/8"), ip_network("::1"))
    """The networks to which `connect_burst` and `connect_rate` do not apply."""

    proxy_protocol_from: Networks = ()
    """The networks of proxies that begin each connection with a PROXY protocol header, version 1
    or 2. The address in the header is the client's in every respect: for limits, `allow` and
    `deny`, bans, WHOIS and the log. A client that uses TLS with its proxy (version 2 says so)
    counts as secure."""

    proxy_protocol: Literal["required", "optional"] = "required"
    """Whether a connection from `proxy_protocol_from` that begins without a header is closed, or
    belongs to a client on that host, such as netd-chat beside a proxy on the same machine."""

    cloak: bool = True
    """Whether members see a keyed hash in place of a client's address. The hash of a network is a
    part of it, so that bans can match networks. Operators see the address in WHOIS, and bans match
    it as well. Addresses of the loopback network are shown as they are."""

    cloak_key: Annotated[str, Secret(), UsedAsIs()] = ""
    """The secret of the hashes. Without it, a file in the directory of systemd's `StateDirectory=`
    has one; without that directory, the hashes change when the daemon is started anew. All hosts
    of one chat need the same key."""

    ping_after: Annotated[Duration, Gt(0)] = 90.0
    """How long a member may send nothing before the server sends it a PING."""

    ping_timeout: Annotated[Duration, Gt(0)] = 60.0
    """How long the member may take to reply to the PING before it is disconnected."""

    registration_timeout: Annotated[Duration, Gt(0)] = 30.0
    """How long a new client may take to register (NICK, USER)."""

    return_timeout: Annotated[Duration, Ge(0)] = 30.0
    """How long the place of a member is kept whose connection was lost because of the daemon, such
    as a connection under TLS at a restart, or all connections if the worker is killed. The member
    stays in its channels, and its lines are kept, up to `max_send_queue`. A client that registers
    in this time with the same nick and logs in to the same account, or has the same local user or
    client certificate, or sends the token of the capability netd.dev/resume, takes the place: other
    members see no QUIT and no JOIN, and it gets the lines that it missed. With the token a client
    also takes the place of a connection that the server does not know to be lost. 0 to keep no
    place."""

    max_send_queue: Annotated[Size, Ge(4096)] = 1_048_576
    """The number of bytes that may wait to be sent to a member; a member with more is
    disconnected."""

    max_receive_queue: Annotated[Size, Ge(8192)] = 65_536
    """The number of bytes from a member that flood control may hold back; a member with more is
    disconnected."""

    max_memory: Annotated[Size, Ge(16_777_216)] = 268_435_456
    """The number of bytes, by estimate, that channels, ban lists, histories with their tags,
    members and all queues may take together; the gauge `memory` shows them. When they are nearly
    taken, the oldest messages of the largest histories are dropped; when they are taken, the
    clients with the longest queues are disconnected, and no channel and no ban can be added."""

    flood_burst: Annotated[int, Ge(1)] = 20
    """The number of lines that a member may send at once. A line whose work takes long counts as
    several lines: one more for each millisecond on an ordinary machine, which is 30 kB of replies,
    or the announcement of a JOIN, PART, NICK or the like to 300 members."""

    flood_rate: Annotated[float, Ge(0)] = 4.0
    """The number of lines per second that a member may send on average; 0 turns flood control
    off."""

    nick_length: Annotated[int, Interval(ge=9, le=64)] = 30
    """The maximum length of a nick."""

    topic_length: Annotated[int, Interval(ge=80, le=390)] = 390
    """The maximum length of a topic."""

    max_channels: Annotated[int, Ge(1)] = 10_000
    """The maximum number of channels."""

    max_channels_per_member: Annotated[int, Ge(1)] = 50
    """The maximum number of channels that a member may join."""

    always_on: bool = False
    """Whether the members of accounts stay in their channels when their last client leaves, shown
    as away. A client that logs in to the account joins the member again, and is sent what was said
    meanwhile if it cannot request history itself. With a database (`history_file`) they are there
    again after a restart. A user changes this for an account with NickServ's SET ALWAYS-ON."""

    max_always_on: Annotated[int, Ge(0)] = 1000
    """The maximum number of members that stay without a client; the one that has been without one
    for the longest time leaves first. 0 to let no member stay."""

    always_on_expires: Annotated[Duration, Gt(0)] = 7_776_000.0
    """How long a member stays without a client."""

    max_clients_per_account: Annotated[int, Interval(ge=1, le=100)] = 10
    """The maximum number of clients that share the nick of an account. A client that logs in to an
    account before its registration is complete joins the member that is already logged in to it,
    whatever nick it asks for: it gets the nick, the channels and the modes of that member, all of
    the clients get the same lines, and see what the others say. Other members see a QUIT when the
    last of the clients leaves. A client that logs in later joins the member with REGAIN. With 1,
    every client needs a nick of its own; a user has that with NickServ's SET MULTICLIENT OFF."""

    history_lines: Annotated[int, Interval(ge=0, le=10_000)] = 200
    """The number of lines of each channel, and of each private conversation, that are kept in
    memory as its history."""

    history_file: FilePath = ""
    """The SQLite file that keeps the history of all channels, the private messages of accounts, and
    of every channel the topic, the modes and lists, and the operators that have an account or a
    verified local user. A restored channel makes no operator of the first member that joins it.
    Without this key the file is in the directory of systemd's `StateDirectory=`, has the name of
    the first address, so that another address begins an empty one, and has messages only if
    `history_keep` is set; without such a directory a restart or crash loses the channels. A damaged
    file is moved aside, and one of a later version of netd is not touched."""

    history_keep: Duration = 0.0
    """How long messages stay in the file, as in `"90d"`; 0 for no limit of their age."""

    history_max_lines: Annotated[int, Ge(0)] = 100_000
    """The number of messages of each channel, and of each private conversation, that stay in the
    file; 0 for no limit."""

    history_max_size: Size = 1 << 30
    """The size of the file above which the oldest messages are removed from it; 0 for no limit."""

    multiline_lines: Annotated[int, Interval(ge=2, le=1000)] = 100
    """The maximum number of lines of one message (IRCv3 draft/multiline)."""

    multiline_bytes: Annotated[Size, Interval(ge=512, le=65_536)] = 4096
    """The maximum number of bytes of such a message. Its lines count less for `flood_rate` than
    other lines: four of them are one."""

    redact_within: Annotated[Duration, Ge(0)] = 86_400.0
    """How long after a message its author, or an operator of the channel, can delete it from the
    history and for the clients that support that (IRCv3 message-redaction). An operator of the
    server always can."""

    replay_lines: Annotated[int, Interval(ge=0, le=1000)] = 10
    """The number of lines of history that a joining member is sent, if its client cannot request
    history itself (IRCv3 chathistory)."""

    def contradictions(self) -> dict[str, str]:
        if self.workers > 1 and self.cluster is None:
            text = "which needs `cluster`: by its engine several workers are one chat"
            return {"workers": f"{self.workers} is above 1, {text}"}
        return {}

    @property
    def keeps_messages(self) -> bool:
        """Whether messages are written to the file, if there is one."""
        return bool(self.history_file or self.history_keep)

    @property
    def has_passwords(self) -> bool:
        """Whether clients can send passwords that the listener checks."""
        own = self.password or self.opers or self.accounts
        return bool(own or self.opers_file or self.accounts_file)

    def is_tls(self, address: Address) -> bool:
        """Whether the listener speaks TLS on an address."""
        if self.tls is None or address.scheme.is_local:
            return False
        return not self.tls.ports or address.port in self.tls.ports

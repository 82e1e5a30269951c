"""The chat listener's options; every one of them changes live."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Interval, MaxLen

from netd.config.address import Address
from netd.config.annotations import AfterValidator, OneOrMany, Pattern, Table
from netd.config.model import ListenerOptions, Networks
from netd.config.units import Duration, Size
from netd.listeners.tls_options import TlsOptions


def _normal_fingerprint(text: str) -> str:
    """As `openssl x509 -fingerprint -sha256` prints it, or without its colons."""
    return text.replace(":", "").lower()


Line = Annotated[str, Pattern(r"^[^\r\n]*$")]  # it is sent as the end of one
Fingerprint = Annotated[
    str, Pattern(r"^([0-9A-Fa-f]{2}:?){32}$"), AfterValidator(_normal_fingerprint)
]


@dataclass(frozen=True, kw_only=True, slots=True)
class OperOptions(Table):
    """Somebody who may OPER."""

    name: Annotated[str, Pattern(r"^[^\s:]\S*$")]
    """The name to give with OPER."""

    password: str
    """The password, plain or as `netd passwd` hashes it."""


Fingerprints = OneOrMany[Fingerprint]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountOptions(Table):
    """Somebody who may log in with SASL."""

    name: Annotated[str, Pattern(r"^[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}-]*$")]
    """The account's name; nobody else can change to it as a nick, though one may arrive under it,
    for a client may log in only afterwards."""

    password: str = ""
    """The password, plain or as `netd passwd` hashes it; empty to log in without one only."""

    fingerprints: Fingerprints = ()
    """Its TLS client certificates: their SHA-256 fingerprints, in hexadecimal."""

    local_user: str = ""
    """The system's user who, on a Unix socket, needs no password for it."""

    host: Annotated[str, Pattern(r"^([A-Za-z0-9][A-Za-z0-9./-]{0,62})?$")] = ""
    """The host others are shown in place of its address; empty for the address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatTlsOptions(TlsOptions):
    """`[listeners.NAME.tls]`: TLS 1.2 and 1.3 on some addresses or all."""

    ports: tuple[int, ...] = ()
    """The ports of `address` that speak TLS, as in `[6697]`; none named means every address."""

    client_ca: str = ""
    """The PEM file of the certificates that clients may show, or of their signers; empty to ask
    for none. Who shows another cannot connect."""

    sts_duration: Duration = 0.0
    """How long clients should insist on TLS (strict transport security); 0 to not ask it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatOptions(ListenerOptions):
    """An IRC server of one process: channels, members, operators."""

    removed_keys: ClassVar = {
        "flood_control": "write flood_rate = 0 to turn flood control off",
        "description": "clients are shown `network` instead",
    }

    kind: Literal["chat"] = "chat"
    """The service: chat."""

    workers: Literal[1] = 1
    """Always 1: all members share one process."""

    poller: Literal["select", "poll", "epoll"] = "select"
    """How the kernel is asked which member sent something. `select` holds about 1000 members."""

    server_name: Annotated[str, Pattern(r"^([^\s:]\S{0,62})?$")] = ""
    """The name the server gives itself; empty for the host's."""

    network: Annotated[str, Pattern(r"^\S{1,50}$")] = "netd"
    """The name of the network, as clients show it."""

    channel: Annotated[str, Pattern(r"^(#[^\s,:]{1,63})?$")] = "#lounge"
    """The channel that is always there; empty for none."""

    topic: Annotated[Line, MaxLen(300)] = ""
    """The topic that channel starts with."""

    join_channel: bool = False
    """Whether everybody is put into that channel on arrival."""

    motd: str = "Welcome. Type /join {channel} to meet the others."
    """The message of the day; lines are kept, `{channel}` is the channel's name; empty for none."""

    admin: Annotated[tuple[Line, ...], MaxLen(3)] = ()
    """Who looks after the server, in up to three lines: where, who, mail address."""

    password: str = ""
    """The password everybody has to give, plain or hashed; empty for none."""

    tls: ChatTlsOptions | None = None
    """Serve under TLS; a reload reads the certificate again."""

    opers: tuple[OperOptions, ...] = ()
    """The server's operators."""

    opers_file: Annotated[str, Pattern(r"^(/.*)?$")] = ""
    """A file of more operators, a `NAME:HASH` a line; it is read again when it changes."""

    accounts: tuple[AccountOptions, ...] = ()
    """The accounts members may log in to."""

    accounts_file: Annotated[str, Pattern(r"^(/.*)?$")] = ""
    """A file of more accounts, a `NAME:HASH` a line; it is read again when it changes."""

    connect_burst: Annotated[int, Ge(1)] = 30
    """How many connections may come at once from one address, or from one IPv6 /64."""

    connect_rate: Annotated[float, Ge(0)] = 0.5
    """How many a second may come from it in the long run; 0 for no limit."""

    connect_exempt: Networks = (ip_network("127.0.0.0/8"), ip_network("::1"))
    """Source networks that may come as often as they like."""

    ping_after: Annotated[Duration, Gt(0)] = 90.0
    """How long a member may be silent before it is asked whether it is still there."""

    ping_timeout: Annotated[Duration, Gt(0)] = 60.0
    """How long it may take to answer that."""

    registration_timeout: Annotated[Duration, Gt(0)] = 30.0
    """How long a new connection may take to say who it is."""

    max_send_queue: Annotated[Size, Ge(4096)] = 1_048_576
    """How many bytes may wait for a member that reads slowly; one with more is dropped."""

    max_receive_queue: Annotated[Size, Ge(8192)] = 65_536
    """How many bytes a member may send ahead of what flood control lets through."""

    flood_burst: Annotated[int, Ge(1)] = 20
    """How many lines a member may send at once."""

    flood_rate: Annotated[float, Ge(0)] = 4.0
    """How many lines a second a member may send in the long run; 0 turns flood control off."""

    nick_length: Annotated[int, Interval(ge=9, le=64)] = 30
    """The longest nick."""

    topic_length: Annotated[int, Interval(ge=80, le=390)] = 390
    """The longest topic."""

    max_channels: Annotated[int, Ge(1)] = 10_000
    """How many channels there may be."""

    max_channels_per_member: Annotated[int, Ge(1)] = 50
    """How many channels one member may be in."""

    history_lines: Annotated[int, Interval(ge=0, le=10_000)] = 200
    """How many lines of each channel are kept for those who come later."""

    history_file: Annotated[str, Pattern(r"^(/.*)?$")] = ""
    """The SQLite file that keeps `channel` (lines, topic, modes) over restarts; empty for none."""

    replay_lines: Annotated[int, Interval(ge=0, le=1000)] = 10
    """How many kept lines a member is shown on joining, if its client cannot ask for them."""

    def is_tls(self, address: Address) -> bool:
        """Whether TLS is spoken there."""
        return self.tls is not None and (not self.tls.ports or address.port in self.tls.ports)

"""The settings of a room: plain data, replaced as a whole while its members stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """Limits of the state that one member, or all members together, can occupy."""

    nick_chars: int = 30
    user_chars: int = 12
    realname_chars: int = 150
    channel_chars: int = 64
    topic_chars: int = 390
    away_chars: int = 200
    kick_chars: int = 200
    key_chars: int = 23
    channels_per_member: int = 50
    absent_members: int = 1000  # that stay without a client
    clients_per_account: int = 10  # with one nick; 1: every client has a nick of its own
    channels: int = 10_000
    list_entries: int = 100
    server_bans: int = 1000
    multiline_bytes: int = 4096
    multiline_lines: int = 100
    mask_bytes: int = 200
    failed_logins: int = 5  # in one connection, which is then closed
    monitored: int = 100
    accepted: int = 100
    targets: int = 4
    whowas: int = 1000
    history_lines: int = 200
    list_replies: int = 1000
    memory_bytes: int = 1 << 28  # of channels, histories and buffers
    ghost_bytes: int = 1 << 20  # of the lines that are kept for a member without a connection


@dataclass(frozen=True, slots=True)
class Account:
    """An account that a member can log in to."""

    name: str
    password: str = ""  # plain or hashed; empty for none
    fingerprints: frozenset[str] = frozenset()  # of TLS certificates: SHA-256, in hexadecimal
    local_user: str = ""  # the system user that needs no password on a Unix socket
    host: str = ""  # shown in place of a logged-in member's address; empty for the address
    always_on: bool | None = None  # None: as the room has it


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """The limits of the registration of accounts."""

    max_accounts: int = 1000
    burst: int = 3  # accounts that one source address can register at once
    interval_s: float = 3600.0  # after which it can register one more
    before_connect: bool = False
    requires_email: bool = False
    min_password_chars: int = 8
    reserved_names: frozenset[str] = frozenset()  # folded


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """The whole configuration of a room."""

    server_name: str
    network: str = "netd"
    version: str = "netd"
    motd: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    password: str = ""  # plain or hashed; empty for none
    channel: str = ""  # the persistent channel; empty for none
    topic: str = ""
    joins_channel: bool = False  # whether new members join that channel automatically
    opers: Mapping[str, str] = field(default_factory=dict)  # name -> password
    accounts: Mapping[str, Account] = field(default_factory=dict)  # by folded name
    cloaks: bool = False  # whether members see cloaks in place of addresses
    cloak_key: str = ""  # empty for none that lasts
    spare_cloak_key: str = ""
    spare_secret: str = ""  # a random text, for a room that has none yet
    registration: RegistrationSettings | None = None  # None: users cannot register accounts
    return_timeout_s: float = 30.0  # how long a member without a connection stays
    redact_s: float = 86400.0  # how long after a message it can be deleted
    stores_messages: bool = False  # whether the database has messages
    always_on: bool = False  # whether the members of accounts stay without a client
    absence_s: float = 90 * 86400.0  # how long they stay
    replay_lines: int = 0  # of history sent on JOIN to clients without CHATHISTORY
    sts_port: int = 0  # the TLS port (IRCv3 sts)
    sts_duration_s: int = 0  # how long clients must use TLS; 0 to not announce sts
    limits: RoomLimits = field(default_factory=RoomLimits)

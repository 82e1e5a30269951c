"""What can be set about a room; plain data, replaced as a whole while members stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one member, or all of them, may make the room keep."""

    nick_chars: int = 30
    user_chars: int = 12
    realname_chars: int = 150
    channel_chars: int = 64
    topic_chars: int = 390
    away_chars: int = 200
    kick_chars: int = 200
    key_chars: int = 23
    channels_per_member: int = 50
    channels: int = 10_000
    list_entries: int = 100
    mask_bytes: int = 200
    failed_logins: int = 5  # of one connection, which is then closed
    monitored: int = 100
    targets: int = 4
    whowas: int = 1000
    history_lines: int = 200
    list_replies: int = 1000


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in."""

    name: str
    password: str = ""  # plain or hashed; empty for none
    fingerprints: frozenset[str] = frozenset()  # of its TLS certificates: SHA-256, in hexadecimal
    local_user: str = ""  # the system's user who is this account on a Unix socket
    host: str = ""  # shown in place of the address once it is logged in; empty for the address


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a room is told from outside."""

    server_name: str
    network: str = "netd"
    version: str = "netd"
    motd: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    password: str = ""  # plain or hashed; empty for none
    channel: str = ""  # the channel that always is
    topic: str = ""
    joins_channel: bool = False  # whether newcomers are put there
    opers: Mapping[str, str] = field(default_factory=dict)  # name -> password
    accounts: Mapping[str, Account] = field(default_factory=dict)  # by folded name
    replay_lines: int = 0  # history for those who join and cannot ask for it
    sts_port: int = 0  # where TLS is spoken
    sts_duration_s: int = 0  # how long to insist on it; 0 to not ask
    limits: Limits = field(default_factory=Limits)

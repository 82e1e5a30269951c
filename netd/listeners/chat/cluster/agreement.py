"""Whether the hosts agree on the settings that decide what a line does.

Each host publishes them as an input of the log, so that different limits or accounts are reported
by name, before the rooms differ. Values are published as hashes, and passwords not at all.
"""

from __future__ import annotations

import json
from _blake2 import blake2b  # hashlib would load OpenSSL
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from netd.listeners.chat.room.settings import RoomLimits, RoomSettings
from netd.protocols.record import TEXT, mapping_of, refuse_malformed

_OF_A_HOST: Final = frozenset(("memory_bytes", "ghost_bytes", "failed_logins", "list_replies"))
_SHARED: Final = (
    *("network", "channel", "topic", "joins_channel", "cloaks", "redact_s"),
    *("always_on", "absence_s"),
)
_HASH_BYTES: Final = 8
KEYS: Final = {
    "nick_chars": "nick_length",
    "topic_chars": "topic_length",
    "channels": "max_channels",
    "channels_per_member": "max_channels_per_member",
    "absent_members": "max_always_on",
    "clients_per_account": "max_clients_per_account",
    "joins_channel": "join_channel",
    "cloaks": "cloak",
    "redact_s": "redact_within",
    "absence_s": "always_on_expires",
}
"""The keys of the configuration that have other names than the published settings."""


def format_agreement(settings: RoomSettings) -> bytes:
    """The hashes of settings that a host publishes."""
    return json.dumps(_facts(settings), separators=(",", ":")).encode()


def _facts(settings: RoomSettings) -> dict[str, str]:
    limits = (field.name for field in fields(RoomLimits) if field.name not in _OF_A_HOST)
    facts: dict[str, Any] = {name: getattr(settings.limits, name) for name in limits}
    facts |= {name: getattr(settings, name) for name in _SHARED}
    facts["accounts"] = [
        (name, sorted(account.fingerprints), account.local_user, account.host, account.always_on)
        for name, account in sorted(settings.accounts.items())
    ]
    facts["opers"] = sorted(settings.opers)
    facts["cloak_key"] = settings.cloak_key if settings.cloaks else ""
    return {name: _hash(name, value) for name, value in facts.items()}


def _hash(name: str, value: object) -> str:
    text = f"{name}={value!r}"
    return blake2b(text.encode(), digest_size=_HASH_BYTES).hexdigest()


def differences(settings: RoomSettings, published: bytes) -> list[str]:
    """The keys of the settings that another host has otherwise. Raises StateError."""
    with refuse_malformed("an entry of the log"):
        other: Mapping[str, str] = mapping_of(TEXT).load(json.loads(published))
    own = _facts(settings)
    names = (name for name in own if other.get(name, own[name]) != own[name])
    return [KEYS.get(name, name) for name in names]

"""Makes the room's settings from the listener's options."""

from __future__ import annotations

import os
from collections.abc import Iterator

import netd
from netd.listeners.chat.credentials_file import CredentialsFiles
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.settings import (
    Account,
    RegistrationSettings,
    RoomLimits,
    RoomSettings,
)
from netd.listeners.chat.state_file import state_path
from netd.protocols.irc import fold


def settings_of(options: ChatOptions, files: CredentialsFiles) -> RoomSettings:
    """The room's settings, from the options and from the files that these name."""
    return RoomSettings(
        server_name=options.server_name or _host_name(),
        network=options.network,
        version=f"netd-{netd.__version__}",
        motd=tuple(options.motd.replace("{channel}", options.channel).splitlines()),
        admin=options.admin,
        password=options.password,
        channel=options.channel,
        topic=options.topic,
        joins_channel=options.join_channel,
        opers={**files.opers, **{oper.name: oper.password for oper in options.opers}},
        accounts={fold(account.name): account for account in _accounts(options, files)},
        registration=_registration(options),
        sts_duration_s=int(options.tls.sts_duration) if options.tls else 0,
        sts_port=next(iter(options.tls.ports), 0) if options.tls else 0,
        cloaks=options.cloak,
        cloak_key=options.cloak_key or files.cloak_key,
        spare_secret=files.spare_secret,
        spare_cloak_key=files.spare_cloak_key,
        return_timeout_s=options.return_timeout,
        redact_s=options.redact_within,
        stores_messages=options.keeps_messages and bool(state_path(options)),
        replay_lines=options.replay_lines,
        always_on=options.always_on,
        absence_s=options.always_on_expires,
        limits=RoomLimits(
            nick_chars=options.nick_length,
            topic_chars=options.topic_length,
            channels=options.max_channels,
            channels_per_member=options.max_channels_per_member,
            absent_members=options.max_always_on,
            clients_per_account=options.max_clients_per_account,
            multiline_lines=options.multiline_lines,
            multiline_bytes=int(options.multiline_bytes),
            history_lines=options.history_lines,
            memory_bytes=int(options.max_memory),
            ghost_bytes=int(options.max_send_queue),
        ),
    )


def _registration(chat: ChatOptions) -> RegistrationSettings | None:
    """The limits of registration; None if there is no place for the accounts."""
    options, is_alone = chat.registration, chat.cluster is None
    if options is None or (is_alone and not state_path(chat)):
        return None
    return RegistrationSettings(
        max_accounts=options.max_accounts,
        burst=options.burst,
        interval_s=options.interval,
        before_connect=options.before_connect,
        requires_email=options.require_email,
        min_password_chars=options.min_password_length,
        reserved_names=frozenset(map(fold, options.reserved_names)),
    )


def _accounts(options: ChatOptions, files: CredentialsFiles) -> Iterator[Account]:
    """All accounts; those of the configuration come last, and replace those of the file."""
    for name, stored in files.accounts.items():
        yield Account(name, stored)
    for account in options.accounts:
        yield Account(
            account.name,
            account.password,
            frozenset(account.fingerprints),
            account.local_user,
            account.host,
            account.always_on,
        )


def _host_name() -> str:
    """This machine's name, in the form that a server's name must have."""
    return os.uname().nodename[:63].strip(":") or "localhost"

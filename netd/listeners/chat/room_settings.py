"""What the room is told of the listener's options."""

from __future__ import annotations

import os
from collections.abc import Iterator

import netd
from netd.listeners.chat.credentials_file import People
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.settings import Account, Limits, Settings
from netd.protocols.irc import fold


def settings_of(options: ChatOptions, people: People) -> Settings:
    """What the room is told of the options and the files they name."""
    return Settings(
        server_name=options.server_name or _host_name(),
        network=options.network,
        version=f"netd-{netd.__version__}",
        motd=tuple(options.motd.replace("{channel}", options.channel).splitlines()),
        admin=options.admin,
        password=options.password,
        channel=options.channel,
        topic=options.topic,
        joins_channel=options.join_channel,
        opers={**people.opers, **{each.name: each.password for each in options.opers}},
        accounts={fold(each.name): each for each in _accounts(options, people)},
        sts_duration_s=int(options.tls.sts_duration) if options.tls else 0,
        sts_port=next(iter(options.tls.ports), 0) if options.tls else 0,
        replay_lines=options.replay_lines,
        limits=Limits(
            nick_chars=options.nick_length,
            topic_chars=options.topic_length,
            channels=options.max_channels,
            channels_per_member=options.max_channels_per_member,
            history_lines=options.history_lines,
        ),
    )


def _accounts(options: ChatOptions, people: People) -> Iterator[Account]:
    """Every account; the configuration's own come last, and so count."""
    for name, stored in people.accounts.items():
        yield Account(name, stored)
    for each in options.accounts:
        yield Account(
            each.name,
            each.password,
            frozenset(each.fingerprints),
            each.local_user,
            each.host,
        )


def _host_name() -> str:
    """This machine's name, as a server's name must look."""
    return os.uname().nodename[:63].strip(":") or "localhost"

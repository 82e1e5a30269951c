"""What the room is told of the listener's options."""

from __future__ import annotations

import os

import netd
from netd.listeners.chat.option import ChatOptions
from netd.protocols.irc import fold
from netd.protocols.room.setting import Account, Limits, Settings


def settings_of(options: ChatOptions) -> Settings:
    """What the room is told of the options."""
    return Settings(
        server_name=options.server_name or _host_name(),
        description=options.description,
        network=options.network,
        version=f"netd-{netd.__version__}",
        motd=tuple(options.motd.replace("{channel}", options.channel).splitlines()),
        admin=options.admin,
        password=options.password,
        channel=options.channel,
        topic=options.topic,
        joins_channel=options.join_channel,
        opers={each.name: each.password for each in options.opers},
        accounts={fold(each.name): Account(each.name, each.password) for each in options.accounts},
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


def _host_name() -> str:
    """This machine's name, as a server's name must look."""
    return os.uname().nodename[:63].strip(":") or "localhost"

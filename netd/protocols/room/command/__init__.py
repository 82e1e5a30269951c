"""Every command, by name. A family of commands is a module that declares its own table."""

from __future__ import annotations

from typing import Final

from netd.protocols.room.command import (
    account,
    channel,
    history,
    listing,
    marker,
    message,
    mode,
    operator,
    registration,
    self,
    server,
    who,
    whois,
)
from netd.protocols.room.command.base import Command

COMMANDS: Final[dict[str, Command]] = {
    **registration.COMMANDS,
    **message.COMMANDS,
    **channel.COMMANDS,
    **mode.COMMANDS,
    **listing.COMMANDS,
    **who.COMMANDS,
    **whois.COMMANDS,
    **self.COMMANDS,
    **server.COMMANDS,
    **operator.COMMANDS,
    **account.COMMANDS,
    **history.COMMANDS,
    **marker.COMMANDS,
}

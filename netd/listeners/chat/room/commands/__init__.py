"""Every command, by name. A family of commands is a module that declares its own table."""

from __future__ import annotations

from typing import Final

from netd.listeners.chat.room.commands import (
    account,
    history,
    listing,
    membership,
    message,
    mode,
    operator,
    read_marker,
    registration,
    server,
    user,
    who,
    whois,
)
from netd.listeners.chat.room.commands.base import Command

COMMANDS: Final[dict[str, Command]] = {
    **registration.COMMANDS,
    **message.COMMANDS,
    **membership.COMMANDS,
    **mode.COMMANDS,
    **listing.COMMANDS,
    **who.COMMANDS,
    **whois.COMMANDS,
    **user.COMMANDS,
    **server.COMMANDS,
    **operator.COMMANDS,
    **account.COMMANDS,
    **history.COMMANDS,
    **read_marker.COMMANDS,
}

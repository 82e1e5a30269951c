"""Every command, by name. Each module declares the commands of one subject in its own table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netd.listeners.chat.room.client_state import CheckOutcome, CheckPurpose
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import (
    accept,
    account,
    capability,
    history,
    listing,
    membership,
    message,
    mode,
    multiline,
    nick_owner,
    operator,
    read_marker,
    redact,
    registration,
    resume,
    scram_login,
    server,
    server_ban,
    topic,
    user,
    who,
    whois,
)
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.commands.help import help_commands

COMMANDS: Final[dict[str, Command]] = {
    **registration.COMMANDS,
    **resume.COMMANDS,
    **capability.COMMANDS,
    **message.COMMANDS,
    **multiline.COMMANDS,
    **accept.COMMANDS,
    **membership.COMMANDS,
    **topic.COMMANDS,
    **mode.COMMANDS,
    **listing.COMMANDS,
    **who.COMMANDS,
    **whois.COMMANDS,
    **user.COMMANDS,
    **server.COMMANDS,
    **operator.COMMANDS,
    **server_ban.COMMANDS,
    **account.COMMANDS,
    **nick_owner.COMMANDS,
    **history.COMMANDS,
    **read_marker.COMMANDS,
    **redact.COMMANDS,
}
COMMANDS.update(help_commands(COMMANDS))  # HELP also explains HELP


_OnVerified = Callable[[CommandContext, CheckOutcome], Steps | None]

ON_VERIFIED: Final[dict[CheckPurpose, _OnVerified]] = {
    CheckPurpose.CONNECT: registration.on_password_verified,
    CheckPurpose.SASL: account.on_password_verified,
    CheckPurpose.SCRAM: scram_login.on_proof_checked,
    CheckPurpose.OPER: operator.on_password_verified,
}
"""The function to call after a password check, by the purpose of the check."""

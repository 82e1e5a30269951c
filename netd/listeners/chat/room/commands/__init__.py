"""Every command, by name. Each module declares the commands of one subject in its own table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netd.listeners.chat.room.client_state import CheckOutcome, CheckPurpose
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import (
    accept,
    account,
    account_registration,
    capability,
    history,
    listing,
    membership,
    message,
    mode,
    multiline,
    nick_owner,
    nickserv,
    nickserv_oper,
    operator,
    read_marker,
    redact,
    registration,
    resume,
    scram_login,
    search,
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
    **account_registration.COMMANDS,
    **nick_owner.COMMANDS,
    **nickserv.COMMANDS,
    **history.COMMANDS,
    **search.COMMANDS,
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
    CheckPurpose.IDENTIFY: nickserv.on_identified,
    CheckPurpose.SET: nickserv.on_current_password,
    CheckPurpose.NEW_KEYS: nickserv.on_new_password,
    CheckPurpose.DROP: nickserv.on_drop,
    CheckPurpose.REGISTER: account_registration.on_keys_made,
    CheckPurpose.NICKSERV_REGISTER: nickserv.on_registered,
    CheckPurpose.SAREGISTER: nickserv_oper.on_registered,
    CheckPurpose.SASET: nickserv_oper.on_new_password,
}
"""The function to call after a password check, by the purpose of the check."""

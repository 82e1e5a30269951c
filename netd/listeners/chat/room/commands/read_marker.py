"""MARKREAD: the time up to which a member has read, shared by its account (read-marker)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.kept_member import SetReadMark
from netd.protocols.irc import Message, fold

_MAX_MARKERS = 256
_TIMESTAMP = re.compile(r"timestamp=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")


def markread(context: CommandContext, params: Sequence[str]) -> None:
    """Show the marker of a target, or move it forward; it never moves back."""
    if not params or not params[0]:
        context.fail("NEED_MORE_PARAMS", "Missing parameters")
        return
    if len(params) == 1:
        show(context, params[0])
        return
    match = _TIMESTAMP.fullmatch(params[1])
    if match is None:
        context.fail("INVALID_PARAMS", params[0], "Not a timestamp")
        return
    _move(context, params[0], match[1])
    show(context, params[0])


def _move(context: CommandContext, target: str, moment: str) -> None:
    markers = context.sender.read_markers
    if moment <= markers.get(fold(target), ""):
        return
    markers.pop(fold(target), None)
    markers[fold(target)] = moment
    _store(context, fold(target), moment)
    if len(markers) > _MAX_MARKERS:
        oldest = next(iter(markers))
        del markers[oldest]
        _store(context, oldest, "")
    context.work += len(context.room.members) // 4
    sharing = [
        member for member in context.room.registered_members() if member.read_markers is markers
    ]
    message = _message(context, target, moment)
    context.send_to(sharing, message, context.client, Cap.READ_MARKER)


def _store(context: CommandContext, folded: str, moment: str) -> None:
    if context.sender.account:
        context.store(SetReadMark(fold(context.sender.account), folded, moment))


def show(context: CommandContext, target: str) -> None:
    """Send the sender its marker for a target."""
    moment = context.sender.read_markers.get(fold(target), "")
    context.reply_message(_message(context, target, moment))


def _message(context: CommandContext, target: str, moment: str) -> Message:
    value = f"timestamp={moment}" if moment else "*"
    return Message("MARKREAD", (target, value), context.room.settings.server_name)


COMMANDS = {"MARKREAD": Command(markread, "<target> [timestamp=<time>]")}

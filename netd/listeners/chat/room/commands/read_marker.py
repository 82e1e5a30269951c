"""MARKREAD: how far a member has read, kept for its account's other clients (read-marker)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.protocols.irc import Message, fold

_MAX_MARKERS = 256
_TIMESTAMP = re.compile(r"timestamp=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")


def markread(context: CommandContext, params: Sequence[str]) -> None:
    """Show how far a target was read, or say so; a marker only ever moves on."""
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
    member = context.member
    markers = member.markers
    if moment <= markers.get(fold(target), ""):
        return
    markers.pop(fold(target), None)
    markers[fold(target)] = moment
    if len(markers) > _MAX_MARKERS:
        del markers[next(iter(markers))]
    others = [
        each
        for each in context.room.members.values()
        if each is not member and each.markers is markers and each.has(Cap.READ_MARKER)
    ]
    context.send(others, _message(context, target, moment))


def show(context: CommandContext, target: str) -> None:
    """Tell the sender how far it has read."""
    context.answer(_message(context, target, context.member.markers.get(fold(target), "")))


def _message(context: CommandContext, target: str, moment: str) -> Message:
    shown = f"timestamp={moment}" if moment else "*"
    return Message("MARKREAD", (target, shown), context.room.settings.server_name)


COMMANDS = {"MARKREAD": Command(markread, "<target> [timestamp=<time>]")}

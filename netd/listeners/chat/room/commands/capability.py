"""CAP: the negotiation of capabilities (IRCv3 capability-negotiation), with sts."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room.capability import BY_WIRE_NAME, WIRE_NAMES, Cap, wire_names
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.command_context import CommandContext, pack
from netd.listeners.chat.room.commands import account_registration, registration, resume
from netd.listeners.chat.room.commands.account import mechanisms
from netd.listeners.chat.room.commands.base import Command, Handler, Phase, Steps
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.numeric import Numeric

_CAPS_PER_LINE = 12
_LINE_BYTES = 360  # a client of an earlier version gets one line, which may not be cut
_CAP_302 = 302


def cap(context: CommandContext, params: Sequence[str]) -> Steps | None:
    """Negotiate capabilities."""
    subcommand = _SUBCOMMANDS.get(params[0].upper())
    if subcommand is not None:
        return subcommand(context, params[1:])
    context.reply(Numeric.INVALIDCAPCMD, params[0])
    return None


def _ls(context: CommandContext, params: Sequence[str]) -> None:
    client = context.client
    client.register(is_negotiating=True)
    if params and params[0].isdecimal():
        client.cap_version = max(client.cap_version, min(int(params[0]), _CAP_302))
    if client.cap_version >= _CAP_302:
        context.room.set_caps(client, client.caps | Cap.CAP_NOTIFY.value)
    _reply_caps(context, "LS", offered(context))


def _list(context: CommandContext, _params: Sequence[str]) -> None:
    _reply_caps(context, "LIST", wire_names(context.client.caps))


def _reply_caps(context: CommandContext, subcommand: str, words: list[str]) -> None:
    nick = context.sender.shown_nick
    while len(words) > _CAPS_PER_LINE and context.client.cap_version >= _CAP_302:
        context.reply_command("CAP", nick, subcommand, "*", " ".join(words[:_CAPS_PER_LINE]))
        words = words[_CAPS_PER_LINE:]
    (line, *_) = [*pack(words, " ", _LINE_BYTES), ""]
    context.reply_command("CAP", nick, subcommand, line)


def _req(context: CommandContext, params: Sequence[str]) -> None:
    client, requested = context.client, params[0] if params else ""
    client.register(is_negotiating=True)
    caps = _requested_caps(context, requested.split())
    if caps is None:
        context.reply_command("CAP", client.member.shown_nick, "NAK", requested)
        return
    context.reply_command("CAP", client.member.shown_nick, "ACK", requested)
    is_new = caps & ~client.caps
    context.room.set_caps(client, caps)
    if is_new & Cap.RESUME.value:
        resume.show_token(context)


def _requested_caps(context: CommandContext, words: Sequence[str]) -> int | None:
    """The client's capabilities after a request; None if any part of it must be refused."""
    client = context.client
    known = _available(context)
    caps = client.caps
    for word in words:
        requested = BY_WIRE_NAME.get(word.removeprefix("-"))
        is_implicit = word == "-cap-notify" and client.cap_version >= _CAP_302
        if requested is None or requested not in known or is_implicit:
            return None
        caps = caps & ~requested.value if word.startswith("-") else caps | requested.value
    return caps


def _end(context: CommandContext, _params: Sequence[str]) -> Steps | None:
    context.client.register(is_negotiating=False)
    if context.client.state is ClientState.REGISTERING:
        return registration.complete(context)
    return None


_SUBCOMMANDS: dict[str, Handler] = {"LS": _ls, "LIST": _list, "REQ": _req, "END": _end}


def _available(context: CommandContext) -> list[Cap]:
    """The capabilities that the settings permit."""
    permitted = {
        Cap.SASL: bool(mechanisms(context)),
        Cap.ACCOUNT_REGISTRATION: context.room.settings.registration is not None,
        Cap.SEARCH: context.room.settings.stores_messages,
    }
    return [cap_ for cap_ in Cap if permitted.get(cap_, True)]


def offered(context: CommandContext) -> list[str]:
    """The words of CAP LS: names, and values for clients of version 302."""
    words = []
    for cap_ in _available(context):
        name = WIRE_NAMES[cap_]
        value = _value(context, cap_) if context.client.cap_version >= _CAP_302 else ""
        words.append(f"{name}={value}" if value else name)
    return [*words, *_sts(context, context.client)]


def _value(context: CommandContext, cap_: Cap) -> str:
    """The value of a capability for clients of version 302; empty if it has none."""
    limits = context.room.settings.limits
    match cap_:
        case Cap.SASL:
            return ",".join(mechanisms(context))
        case Cap.MULTILINE:
            return f"max-bytes={limits.multiline_bytes},max-lines={limits.multiline_lines}"
        case Cap.ACCOUNT_REGISTRATION:
            return account_registration.capability_value(context.room.settings)
    return ""


def announce_changes(context: CommandContext, before: Sequence[str]) -> None:
    """Notify a client of the changes in the offered capabilities since `before` (cap-notify)."""
    client, nick = context.client, context.sender.shown_nick
    now = offered(context)
    left = {word.partition("=")[0] for word in now}
    gone = [name for word in before if (name := word.partition("=")[0]) not in left]
    new = [word for word in now if word not in before]
    if gone:
        lost = sum(BY_WIRE_NAME[name].value for name in gone if name in BY_WIRE_NAME)
        context.room.set_caps(client, client.caps & ~lost)
        context.reply_command("CAP", nick, "DEL", " ".join(gone))
    if new:
        context.reply_command("CAP", nick, "NEW", " ".join(new))


def _sts(context: CommandContext, client: Client) -> list[str]:
    """IRCv3 sts: the port for a client without TLS, the duration for one with TLS."""
    settings = context.room.settings
    if client.cap_version < _CAP_302 or not settings.sts_duration_s:
        return []
    if client.is_secure:
        return [f"sts=duration={settings.sts_duration_s}"]
    return [f"sts=port={settings.sts_port}"] if settings.sts_port else []


COMMANDS = {
    "CAP": Command(cap, "LS|LIST|REQ|END [:<capabilities>]", params=1, phase=Phase.ANY),
}

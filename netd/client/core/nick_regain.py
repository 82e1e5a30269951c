"""Takes the wanted nick back, when the connection or the user that has it is gone."""

from __future__ import annotations

from typing import Final

from netd.client.core.chat_events import Effect, Notice, send
from netd.client.core.client_state import ClientState
from netd.protocols.irc import Message

REGAIN: Final = "REGAIN"  # as netd and other servers with accounts have it


def on_ready(state: ClientState) -> list[Effect]:
    """Take the nick of the own account at once; watch any other until it is free."""
    if not _is_missed(state):
        return []
    wanted = state.wanted_nick
    watch = [send("MONITOR", "+", wanted)] if "MONITOR" in state.isupport else []
    if state.is_logged_in and state.fold(wanted) == state.fold(state.identity.name):
        return [*watch, send(REGAIN, wanted)]
    hint = f"if {wanted} is your account, /ns IDENTIFY {wanted} PASSWORD gives you the nick"
    return [*watch, *([] if state.is_logged_in else [Notice(hint)])]


def on_offline(state: ClientState, message: Message) -> list[Effect]:
    """Process RPL_MONOFFLINE: nicks that no user has."""
    names = [name.partition("!")[0] for name in message.params[-1].split(",")]
    return [effect for name in names for effect in on_nick_free(state, name)]


def on_nick_free(state: ClientState, nick: str) -> list[Effect]:
    """Take the nick if it is the wanted one."""
    if not _is_missed(state) or state.fold(nick) != state.fold(state.wanted_nick):
        return []
    return _take(state)


def on_tick(state: ClientState) -> list[Effect]:
    """Try again from time to time, where the server does not report free nicks."""
    return _take(state) if _is_missed(state) and "MONITOR" not in state.isupport else []


def on_taken(state: ClientState, nick: str) -> bool:
    """Whether a refusal of a nick answers such a try, which the user need not know."""
    was_try = state.is_regaining and state.fold(nick) == state.fold(state.wanted_nick)
    state.is_regaining = False
    return was_try


def _is_missed(state: ClientState) -> bool:
    return (
        state.is_registered
        and state.identity.may_rename
        and state.fold(state.nick) != state.fold(state.wanted_nick)
    )


def _take(state: ClientState) -> list[Effect]:
    state.is_regaining = True
    return [send("NICK", state.wanted_nick)]

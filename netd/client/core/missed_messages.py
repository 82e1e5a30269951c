"""Requests what was said while the client had no connection (IRCv3 draft/chathistory).

The server's time of the last message seen is the reference, not its id: a server that has lost its
latest state does not know the id. The reference is a second early, and messages seen before are
recognized by their ids. Until the history of a target has arrived, no message is sent to it that
an earlier connection has sent too: the history shows whether the server got it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from netd.client.core import read_marks
from netd.client.core.chat_events import Effect, Notice, send
from netd.client.core.client_state import (
    MAX_CHANNELS,
    ClientState,
    HistoryBatch,
    is_channel,
)
from netd.client.core.received import shifted

MAX_PAGES: Final = 10
_CAPABILITY: Final = "draft/chathistory"
_MARK: Final = "netd-chat-missed "
_RESUMED_MARK: Final = "netd-chat-resumed"
_FAR: Final = "timestamp=9999-12-31T23:59:59.999Z"
_LONG_AGO: Final = "timestamp=1970-01-01T00:00:00.000Z"
_MAX_TARGETS: Final = 50
_INCOMPLETE: Final = "so much was said meanwhile that a part of it is not shown"
_MARGIN: Final = dt.timedelta(seconds=1)


def on_welcome(state: ClientState, *, is_resumed: bool) -> list[Effect]:
    """Join the channels; after a reconnect, ask for private messages too.

    If the server has kept the client's place, it shows the channels and the missed lines by itself;
    the PONG comes after these.
    """
    state.missed_since = state.last_time
    if is_resumed:
        state.is_resuming = True
        return [send("PING", _RESUMED_MARK)]
    state.resume_token = state.next_resume_token
    joins: list[Effect] = [send("JOIN", *channel) for channel in state.autojoin.values()]
    return [*joins, *_request_kept(state), *_request_targets(state)]


def _request_kept(state: ClientState) -> Iterable[Effect]:
    """Request the end of the private conversations that an earlier run has left open."""
    names, state.kept_conversations = state.kept_conversations, ()
    if not _has_history(state):
        return
    for name in names:
        if read_marks.are_known(state):
            yield send("MARKREAD", name)  # it may have been read on another device
        yield send("CHATHISTORY", "LATEST", name, "*", str(state.identity.history_lines))


def on_join(state: ClientState, channel: str, now: str) -> list[Effect]:
    """Request the history of a channel that the client has joined."""
    last_heard = state.last_heard.get(state.fold(channel), "")
    if now and not last_heard:
        state.record_time(channel, now)
    if not _has_history(state):
        return []
    if last_heard:
        return _request_after(state, channel, f"timestamp={_earlier(state, last_heard)}", 1)
    return [send("CHATHISTORY", "LATEST", channel, "*", str(state.identity.history_lines))]


def on_target(state: ClientState, target: str, newest: str) -> list[Effect]:
    """Request the history of a private conversation that has new messages.

    On the first connection only what the user has not read on another device is requested.
    """
    if is_channel(target):
        return []
    if not state.missed_since:
        return read_marks.ask(state, target, newest)
    if len(state.catching_up) >= MAX_CHANNELS + _MAX_TARGETS:
        return []  # more than was requested
    return _request_after(state, target, f"timestamp={_earlier(state, state.missed_since)}", 1)


def on_batch_end(state: ClientState, batch: HistoryBatch) -> list[Effect]:
    """Request the next page of the history, if this one is full."""
    page = state.catching_up.get(state.fold(batch.target))
    if page is None or batch.received < state.history_page or not batch.last:
        return []
    if page >= MAX_PAGES:
        return [Notice(_INCOMPLETE, batch.target)]
    return _request_after(state, batch.target, batch.last, page + 1)


def on_pong(state: ClientState, token: str) -> list[Effect]:
    """End the wait for a history, or for the lines of a place that the server has kept."""
    if token == _RESUMED_MARK:
        state.is_resuming = False
        state.resume_token = state.next_resume_token
        return [*_join_missing(state), *_request_targets(state)]
    page, _, target = token.removeprefix(_MARK).partition(" ")
    folded = state.fold(target)
    if token.startswith(_MARK) and page == str(state.catching_up.get(folded)):
        del state.catching_up[folded]
    return []


def _join_missing(state: ClientState) -> list[Effect]:
    channels = [channel for channel in state.autojoin.values() if channel[0] not in state.roster]
    return [send("JOIN", *channel) for channel in channels]


def _has_history(state: ClientState) -> bool:
    return _CAPABILITY in state.capabilities and bool(state.identity.history_lines)


def _request_targets(state: ClientState) -> Iterable[Effect]:
    """Request the names of the conversations with new messages."""
    if not _has_history(state) or not (state.missed_since or read_marks.are_known(state)):
        return []
    since = f"timestamp={_earlier(state, state.missed_since)}" if state.missed_since else _LONG_AGO
    return [send("CHATHISTORY", "TARGETS", since, _FAR, str(_MAX_TARGETS))]


def _request_after(state: ClientState, target: str, reference: str, page: int) -> list[Effect]:
    state.catching_up[state.fold(target)] = page
    count = str(state.history_page)
    return [
        send("CHATHISTORY", "AFTER", target, reference, count),
        send("PING", f"{_MARK}{page} {target}"),
    ]


def _earlier(state: ClientState, time: str) -> str:
    """A time before the messages of this time, if these can be recognized by their ids."""
    if "message-tags" not in state.capabilities:
        return time
    return shifted(time, -_MARGIN)

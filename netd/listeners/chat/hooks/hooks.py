"""Takes the requests of scripts that HTTP workers pass on, and bounds them."""

from __future__ import annotations

import contextlib
import logging
import math
import socket
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from netd.errors import LocalProtocolError
from netd.listeners.chat.hooks.event_stream import EventStream, event_of
from netd.listeners.chat.hooks.hook_client import HookClient, Job, Steps
from netd.listeners.chat.hooks.hook_stream import HookStream
from netd.listeners.chat.hooks.requests import HookView, follow, is_text, post, read
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.state import RoomState
from netd.listeners.counters import Counters
from netd.protocols.handoff import Handoff
from netd.protocols.hook import (
    HookAction,
    HookReply,
    HookRequest,
    format_reply,
    parse_request,
)
from netd.protocols.irc import Message, fold
from netd.protocols.token_bucket import TokenBucket
from netd.protocols.websocket import format_refusal
from netd.runtime.loop import Loop
from netd.runtime.poller import PollerFullError

_IDLE_S: Final = 172_800.0  # two days: a hook that is used each day stays
_BUSY_RETRY_S: Final = 2
_FULL_RETRY_S: Final = 10
_PHRASES: Final = {403: b"403 Forbidden", 503: b"503 Service Unavailable"}
_CLOSING: Final = HookReply(503, "the chat is shutting down", _BUSY_RETRY_S)

_log = logging.getLogger("netd")


class Chat(Protocol):
    """The part of the chat service that its hooks use."""

    @property
    def room_state(self) -> RoomState:
        """The room as it is now."""

    @property
    def options(self) -> ChatOptions:
        """The present options."""

    def degraded(self) -> str:
        """Why messages are not stored at present, or another fault."""

    def enter_hook(self, client: Client, stream: HookStream) -> None:
        """Let a client in this process into the room."""


class _Hook:
    """A hook that is in the room, and what belongs to it."""

    def __init__(self, speaker: HookClient, client: Client, now: float) -> None:
        self.speaker = speaker
        self.client = client
        self.used_at = now
        self.streams: set[EventStream] = set()

    def add_stream(self, stream: EventStream) -> None:
        """Let a client hear the messages."""
        self.streams.add(stream)
        self.speaker.is_heard = True

    def remove_stream(self, stream: EventStream) -> None:
        """Forget a client that has left."""
        self.streams.discard(stream)
        self.speaker.is_heard = bool(self.streams)


class Hooks:
    """The hooks of a chat listener, by their nicks."""

    def __init__(self, loop: Loop, chat: Chat) -> None:
        self._loop = loop
        self._chat = chat
        self._hooks: dict[str, _Hook] = {}
        self._buckets: dict[tuple[HookAction, str, str], TokenBucket] = {}
        self._is_closed = False
        self._outcomes: Counter[str] = Counter()

    def take(self, sock: socket.socket, handoff: Handoff) -> None:
        """Serve the request of a script; `sock` is for the reply."""
        try:
            request = parse_request(handoff.received)
        except LocalProtocolError as error:
            _log.error("%s", error)
            sock.close()
            return
        if request.action is HookAction.STREAM:
            self._open_stream(sock, request)
        else:
            self._serve(sock, request)

    def restore(self) -> None:
        """Let the hooks return whose places are kept."""
        for lost in list(self._chat.room_state.ghosts):
            if lost.is_hook and not lost.is_remote:
                self._hook_for(lost.web_user)

    def check(self) -> None:
        """Send heartbeats, and let hooks leave that are not used; to be called each second."""
        for hook in list(self._hooks.values()):
            hook.speaker.check()
            for stream in list(hook.streams):
                stream.keep_alive()
            if hook.streams or hook.speaker.waiting:
                hook.used_at = self._loop.now
            elif self._loop.now - hook.used_at > _IDLE_S:
                hook.speaker.quit("not used")

    def close(self) -> None:
        """Refuse all further requests, and end the streams."""
        self._is_closed = True
        for hook in list(self._hooks.values()):
            for stream in list(hook.streams):
                stream.finish()

    def counters(self) -> Counters:
        """The requests and their outcomes."""
        names = ("posts", "posts_too_often", "posts_queue_full", "streams_refused")
        streams = sum(len(hook.streams) for hook in self._hooks.values())
        return Counters({name: self._outcomes[name] for name in names}, {"streams": streams})

    def _serve(self, sock: socket.socket, request: HookRequest) -> None:
        refusal = self._refusal(request)
        if refusal is not None:
            _reply(sock, refusal)
            return
        hook = self._hook_for(request.nick)
        make = post if request.action is HookAction.POST else read
        steps = make(partial(self._view, hook), request)
        self._run(hook, steps, partial(_is_awaited, sock), partial(self._on_reply, sock, request))

    def _refusal(self, request: HookRequest) -> HookReply | None:
        """The reply to a request that is not served now."""
        if self._is_closed:
            return _CLOSING
        hook = self._hooks.get(fold(request.nick))
        if hook is not None and hook.speaker.waiting >= request.limits.queue:
            self._outcomes["posts_queue_full"] += 1
            return HookReply(503, "too many requests wait", _BUSY_RETRY_S)
        wait_s = self._wait_s(request)
        if wait_s:
            self._outcomes["posts_too_often"] += 1
            return HookReply(429, "too many requests, try again later", math.ceil(wait_s))
        return None

    def _wait_s(self, request: HookRequest) -> float:
        """Take a token for a request; without one, return the seconds until there is one."""
        limits, now = request.limits, self._loop.now
        key = request.action, fold(request.nick), fold(request.channel)
        bucket = self._buckets.setdefault(key, TokenBucket(now, limits.burst))
        if not limits.rate or bucket.take(now, limits.rate, limits.burst):
            return 0.0
        return bucket.wait_s(limits.rate)

    def _on_reply(self, sock: socket.socket, request: HookRequest, reply: HookReply | None) -> None:
        if reply is None:
            sock.close()
            return
        is_posted = request.action is HookAction.POST and bool(reply.message_id)
        self._outcomes["posts"] += is_posted
        _reply(sock, reply)

    def _open_stream(self, sock: socket.socket, request: HookRequest) -> None:
        if self._is_closed:
            _refuse_stream(sock, _CLOSING)
            return
        hook = self._hook_for(request.nick)
        count = sum(stream.is_of(request.channel) for stream in hook.streams)
        if count >= request.limits.streams or hook.speaker.waiting >= request.limits.queue:
            self._refuse_stream(sock)
            return
        try:
            head = request.head.encode("latin-1", "replace")
            stream = EventStream(self._loop, sock, request.channel, head, hook.remove_stream)
        except PollerFullError:
            self._refuse_stream(sock)
            return
        hook.add_stream(stream)
        steps = follow(partial(self._view, hook), request, stream.catch_up)
        self._run(hook, steps, lambda: stream.is_open, partial(_on_caught_up, stream))

    def _refuse_stream(self, sock: socket.socket) -> None:
        self._outcomes["streams_refused"] += 1
        _refuse_stream(sock, HookReply(503, "too many streams", _FULL_RETRY_S))

    def _run(
        self,
        hook: _Hook,
        steps: Steps,
        is_wanted: Callable[[], bool],
        on_reply: Callable[[HookReply | None], object],
    ) -> None:
        hook.used_at = self._loop.now
        hook.speaker.run(Job(steps, is_wanted, on_reply))

    def _view(self, hook: _Hook) -> HookView:
        chat = self._chat
        is_stored = chat.room_state.settings.stores_messages and not chat.degraded()
        return HookView(chat.room_state, hook.client, chat.options, is_stored)

    def _hook_for(self, nick: str) -> _Hook:
        hook = self._hooks.get(fold(nick))
        if hook is None:
            hook = self._hooks[fold(nick)] = self._enter(nick)
        return hook

    def _enter(self, nick: str) -> _Hook:
        client = Client("localhost", web_user=nick)
        client.is_hook = True
        client.register(password_is_right=True)  # the configuration lets it in

        def make_stream(
            on_lines: Callable[[bytes], object], on_lost: Callable[[str], object]
        ) -> HookStream:
            stream = HookStream(self._loop, on_lines, on_lost)
            self._chat.enter_hook(client, stream)
            return stream

        on_message = partial(self._on_message, fold(nick))
        on_lost = partial(self._on_lost, fold(nick))
        speaker = HookClient(self._loop, nick, make_stream, on_message, on_lost)
        return _Hook(speaker, client, self._loop.now)

    def _on_message(self, folded: str, message: Message) -> None:
        target = message.params[0]
        if is_text(message, target):
            event = event_of(message)
            for stream in list(self._hooks[folded].streams):
                if stream.is_of(target):
                    stream.on_event(event)

    def _on_lost(self, folded: str, _speaker: HookClient) -> None:
        """Forget a hook that is not in the room any more; the next request makes it anew."""
        for stream in self._hooks.pop(folded).streams:
            stream.finish()


def _on_caught_up(stream: EventStream, reply: HookReply | None) -> None:
    if reply is None:
        stream.finish()
    elif reply.reason:
        stream.refuse(_format_refusal(reply))
    else:
        stream.go_live()


def _refuse_stream(sock: socket.socket, reply: HookReply) -> None:
    with contextlib.suppress(OSError):
        sock.send(_format_refusal(reply))
    sock.close()


def _format_refusal(reply: HookReply) -> bytes:
    fields = [b"Retry-After: %d" % reply.retry_after_s] if reply.retry_after_s else []
    return format_refusal(_PHRASES[reply.status], reply.reason, *fields)


def _is_awaited(sock: socket.socket) -> bool:
    """Whether the HTTP worker still waits for the reply: its client was not refused meanwhile."""
    try:
        return sock.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _reply(sock: socket.socket, reply: HookReply) -> None:
    with contextlib.suppress(OSError):  # the HTTP worker has ended
        sock.send(format_reply(reply))
    sock.close()

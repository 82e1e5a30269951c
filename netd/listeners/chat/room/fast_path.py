"""The fast path: PRIVMSG and NOTICE to a channel, which are nearly all lines of a busy room.

The head of such a line (the part before its text) determines its command and its target. If the
same client has sent a line with the same head before, and only lines of this form have come since,
all checks of that line still hold. Any other line goes through the command table and empties the
cache. Both ways produce the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Audience, Channel
from netd.listeners.chat.room.effect import Broadcast, Effect, Record
from netd.listeners.chat.room.encoded_message import MessageTemplate, TemplateMessage, head_of
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import MAX_BODY_BYTES, fold, is_clean

MAX_ROUTES: Final = 4096
_COMMANDS: Final = (b"PRIVMSG", b"NOTICE")
_CTCP: Final = 1  # the byte that a CTCP message starts with


@dataclass(frozen=True, slots=True)
class CachedRoute:
    """The recipients and the template of a member's messages to a channel, after all checks."""

    member: Member
    channel: Channel
    audience: Audience
    skip: Client | None
    template: MessageTemplate
    max_text_bytes: int


class FastPath:
    """The cached routes of a room, by client and head of the line."""

    def __init__(self, state: RoomState) -> None:
        self._state = state
        self.stores_messages = state.settings.stores_messages
        self._routes: dict[tuple[Client, bytes], CachedRoute] = {}

    @property
    def route_count(self) -> int:
        """The number of cached routes, at most MAX_ROUTES."""
        return len(self._routes)

    def clear(self) -> None:
        """Forget all routes: anything in the room may have changed."""
        self._routes.clear()

    def receive(self, client: Client, line: bytes, now: float) -> list[Effect] | None:
        """The effects of a line; None if it must go through the command table."""
        head, _, text = line.partition(b" :")
        route = self._routes.get((client, head)) or self._find_route(client, head)
        if route is None or not _is_plain(text, route.max_text_bytes):
            return None
        route.member.idle_since = now
        channel = route.channel
        message = TemplateMessage(route.template, text, now)
        history = channel.history
        if history.is_steady:
            history.entries.append(message)
        else:
            history.append(message)
        broadcast = Broadcast(route.audience, route.skip, message)
        return [Record(channel, message), broadcast] if self.stores_messages else [broadcast]

    def _find_route(self, client: Client, head: bytes) -> CachedRoute | None:
        """Check whether the client may send such lines, and cache the route if so."""
        member = client.member
        command, _, target = head.partition(b" ")
        if command not in _COMMANDS or not target.isascii() or not client.is_registered:
            return None
        channel = self._state.channels.get(fold(target.decode()))
        if channel is None or not channel.may_speak(member):
            return None
        client.work, member.work = client.work + member.work, 0
        template = self._template(member, command.decode(), channel)
        route = CachedRoute(
            member,
            channel,
            channel.audience(),
            None if client.has(Cap.ECHO_MESSAGE) else client,
            template,
            MAX_BODY_BYTES - len(template.head),
        )
        if len(self._routes) >= MAX_ROUTES:
            self.clear()
        self._routes[client, head] = route
        return route

    def _template(self, member: Member, command: str, channel: Channel) -> MessageTemplate:
        return MessageTemplate(
            command,
            channel.name,
            member.prefix,
            member.message_tags(),
            self._state.ids,
            head_of(member.prefix, command, channel.name),
        )


def _is_plain(text: bytes, max_bytes: int) -> bool:
    """Whether a text is relayed unchanged with any modes of the channel."""
    if not 0 < len(text) <= max_bytes or text[0] == _CTCP or not is_clean(text):
        return False
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True

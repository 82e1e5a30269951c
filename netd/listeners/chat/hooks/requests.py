"""The steps of the requests of scripts: the lines that they send, and what the replies mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, NamedTuple

from netd.listeners.chat.hooks.hook_client import LABEL, Steps
from netd.listeners.chat.hooks.post_lines import KEY_TAG, limits_for, post_lines
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.encoded_message import message_of, msgid_of, position_of
from netd.listeners.chat.room.isupport import MAX_HISTORY_REPLIES
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.state import RoomState
from netd.protocols.hook import MAX_REPLY_BYTES, HookReply, HookRequest
from netd.protocols.irc import Message, fold

PAGE: Final = MAX_HISTORY_REPLIES
"""The maximum number of messages of one reply."""
_BEGINNING: Final = "timestamp=1970-01-01T00:00:00.000Z"
_CTCP, _ACTION = "\x01", "\x01ACTION "
_FAIL: Final = "FAIL"
_NOT_TAKEN: Final = "the chat did not take the message"


class HookView(NamedTuple):
    """The parts of the room that the steps use."""

    state: RoomState
    client: Client
    options: ChatOptions
    is_stored: bool
    """Whether messages are written to a database at present."""

    def channel(self, name: str) -> Channel | None:
        """A channel that the hook has joined."""
        channel = self.state.find_channel(name)
        is_in = channel is not None and self.client.member in channel.members
        return channel if is_in else None


View = Callable[[], HookView]
"""The room as it is now: its state can be replaced while a request waits."""


def post(view: View, request: HookRequest) -> Steps:
    """Post a message, unless it was posted before."""
    refusal = yield from _join(view, request.channel)
    if refusal is not None:
        return refusal
    posted = _find_posted(view(), request)
    if posted:
        return HookReply(204, message_id=posted)
    now = view()
    lines, size = now.options.multiline_lines, now.options.multiline_bytes
    prefix = now.client.member.prefix
    limits = limits_for(prefix, request.channel, min(request.limits.lines, lines), size)
    reply = yield list(post_lines(request.text, request.channel, limits, LABEL, request.key))
    for message in reply:
        if message.command == "PRIVMSG" and "msgid" in message.tags:
            yield from _await_stored(view, request.channel)
            return HookReply(204, message_id=message.tags["msgid"])
    return _refusal(reply)


def _await_stored(view: View, channel: str) -> Generator[list[bytes], list[Message], None]:
    """Wait until the database has the message, if there is one that can be written.

    A query about the first messages of all is not answered from memory, and the answer comes after
    all writes that were due.
    """
    if view().is_stored:
        yield [f"@label={LABEL} CHATHISTORY AROUND {channel} {_BEGINNING} 1\r\n".encode()]


def read(view: View, request: HookRequest) -> Steps:
    """Reply with messages of the channel, as JSON lines."""
    refusal = yield from _join(view, request.channel)
    if refusal is not None:
        return refusal
    found = yield from _history(view, request.channel, request.after, request.count)
    if isinstance(found, HookReply):
        return found
    lines = [f"{format_json(message)}\n".encode() for message in found]
    content = _head_of(lines) if request.after else _tail_of(lines)
    return HookReply(200, content=content)


def follow(view: View, request: HookRequest, send: Callable[[Iterable[Message]], bool]) -> Steps:
    """Send the messages after the one that is named; `send` returns whether it takes more."""
    refusal = yield from _join(view, request.channel)
    if refusal is not None:
        return refusal
    after, is_full = request.after, bool(request.after)
    takes_more = send(())
    while is_full and takes_more:
        found = yield from _history(view, request.channel, after, PAGE)
        if isinstance(found, HookReply):
            return found
        takes_more, is_full = send(found), len(found) == PAGE
        after = found[-1].tags["msgid"] if found else after
    return HookReply(200)


def format_json(message: Message) -> str:
    """A message as JSON, for programs."""
    text = message.params[-1]
    facts: dict[str, Any] = {
        "id": message.tags.get("msgid", ""),
        "time": message.tags.get("time", ""),
        "nick": message.source.partition("!")[0],
        "text": text,
    }
    if "account" in message.tags:
        facts["account"] = message.tags["account"]
    if message.command == "NOTICE":
        facts["notice"] = True
    if text.startswith(_ACTION):
        facts.update(text=text.removeprefix(_ACTION).removesuffix(_CTCP), action=True)
    return json.dumps(facts, ensure_ascii=False)


def is_text(message: Message, channel: str) -> bool:
    """Whether a message is one that all members of a channel read."""
    if message.command not in ("PRIVMSG", "NOTICE") or len(message.params) != 2:  # noqa: PLR2004 (target and text)
        return False
    target, text = message.params
    is_ctcp = text.startswith(_CTCP) and not text.startswith(_ACTION)
    return fold(target) == fold(channel) and "msgid" in message.tags and not is_ctcp


def _join(view: View, channel: str) -> Generator[list[bytes], list[Message], HookReply | None]:
    if view().channel(channel) is not None:
        return None
    reply = yield [f"@label={LABEL} JOIN {channel}\r\n".encode()]
    return None if view().channel(channel) is not None else _refusal(reply)


def _history(
    view: View, channel: str, after: str, count: int
) -> Generator[list[bytes], list[Message], list[Message] | HookReply]:
    reference = _reference(view(), channel, after) if after else "*"
    how = f"{'AFTER' if after else 'LATEST'} {channel} {reference}"
    reply = yield [f"@label={LABEL} CHATHISTORY {how} {count}\r\n".encode()]
    if any(message.command == _FAIL for message in reply):
        return _refusal(reply)
    return [message for message in reply if is_text(message, channel)]


def _reference(now: HookView, name: str, after: str) -> str:
    """The position of a message, also if it is no longer in memory."""
    channel = now.channel(name)
    if channel is None or now.state.settings.stores_messages:
        return f"msgid={after}"
    position = position_of(after)
    earlier = [
        msgid for msgid in map(msgid_of, channel.history.entries) if position_of(msgid) <= position
    ]
    return f"msgid={earlier[-1]}" if earlier else _BEGINNING


def _find_posted(now: HookView, request: HookRequest) -> str:
    """The id of the message of an earlier request with the same key; empty if there is none."""
    channel = now.channel(request.channel)
    if channel is None or not request.key:
        return ""
    for entry in reversed(channel.history.entries):
        is_same = isinstance(entry, Message) and entry.tags.get(KEY_TAG) == request.key
        if is_same and _is_by(message_of(entry), now.client.member):
            return msgid_of(entry)
    return ""


def _is_by(message: Message, member: Member) -> bool:
    """Whether a member has sent a message; another one could have sent the same key."""
    if member.account:
        return fold(message.tags.get("account", "")) == fold(member.account)
    return message.source == member.prefix


def _refusal(reply: list[Message]) -> HookReply:
    for message in reply:
        if message.command == _FAIL or message.command[:1] in ("4", "5"):
            return HookReply(403, message.params[-1])
    return HookReply(403, _NOT_TAKEN)


def _head_of(lines: list[bytes]) -> bytes:
    """The first lines that a reply has room for."""
    kept, size = [], 0
    for line in lines:
        size += len(line)
        if size > MAX_REPLY_BYTES:
            break
        kept.append(line)
    return b"".join(kept)


def _tail_of(lines: list[bytes]) -> bytes:
    """The last lines that a reply has room for."""
    kept: list[bytes] = []
    size = 0
    for line in reversed(lines):
        size += len(line)
        if size > MAX_REPLY_BYTES:
            break
        kept.insert(0, line)
    return b"".join(kept)

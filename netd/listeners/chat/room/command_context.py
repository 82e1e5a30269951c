"""The context of one line: its sender, the replies to it, and the label that ties them to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.effect import (
    Broadcast,
    Close,
    Effect,
    Record,
    SaveChannel,
    Send,
    Verify,
)
from netd.listeners.chat.room.encoded_message import EncodedMessage, timestamp
from netd.listeners.chat.room.member import CheckPurpose, Member, PasswordCheck
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import MAX_BODY_BYTES, Message, format_body


class CommandContext:
    """What a command's handler works with. The handler's effects are collected in `effects`.

    If the line has a label (labeled-response), the replies to the sender are held back until
    `finish`, because their form depends on their number.
    """

    def __init__(self, room: RoomState, sender: Member, now: float, label: str = "") -> None:
        self.room = room
        self.sender = sender
        self.now = now
        self.label = label
        self.command = ""
        self.client_tags: dict[str, str] = {}
        self.effects: list[Effect] = []
        self._held_replies: list[Message] = []

    # Replies: to the sender, with the label.

    def reply(self, numeric: Numeric, *params: str) -> None:
        """Send the sender a numeric reply."""
        last = (numeric.text,) if numeric.text else ()
        self.reply_command(numeric.code, self.sender.shown_nick, *params, *last)

    def reply_words(
        self, numeric: Numeric, params: Sequence[str], words: Iterable[str], separator: str = " "
    ) -> None:
        """Send a numeric that ends in a list of words, as many times as the words need."""
        head = (self.sender.shown_nick, *params, "")
        source = self.room.settings.server_name
        free = MAX_BODY_BYTES + 2 - len(format_body(Message(numeric.code, head, source)))
        for line in pack(words, separator, free):
            self.reply(numeric, *params, line)

    def reply_command(self, command: str, *params: str) -> None:
        """Send the sender a command whose source is the server."""
        shown = (*map(_middle, params[:-1]), *params[-1:])
        self.reply_message(Message(command, shown, self.room.settings.server_name))

    def fail(self, code: str, *context_and_text: str) -> None:
        """Send the standard reply FAIL: the command, a code, context, a sentence."""
        self.reply_command("FAIL", self.command, code, *context_and_text)

    def reply_message(self, message: Message) -> None:
        """Send the sender a message that is part of the reply to its line."""
        if self.label:
            self._held_replies.append(message)
        else:
            self.send_unlabeled(self.sender, message)

    def reply_batch(self, kind: str, params: Sequence[str], messages: Iterable[Message]) -> None:
        """Send the sender a batch, or the bare messages if its client takes no batches."""
        if not self.sender.has(Cap.BATCH):
            for message in messages:
                self.reply_message(message)
            return
        reference = self.room.ids.next_id()
        self.reply_command("BATCH", f"+{reference}", kind, *params)
        for message in messages:
            self.reply_message(_tagged(message, "batch", reference))
        self.reply_command("BATCH", f"-{reference}")

    def finish(self) -> None:
        """Send the replies that were held back for the label (labeled-response)."""
        label, self.label = self.label, ""
        if not label:
            return
        server = self.room.settings.server_name
        replies = self._held_replies or [Message("ACK", (), server)]
        if len(replies) == 1:
            self.send_unlabeled(self.sender, _tagged(replies[0], "label", label))
            return
        reference = self.room.ids.next_id()
        start = Message("BATCH", (f"+{reference}", "labeled-response"), server)
        self.send_unlabeled(self.sender, _tagged(start, "label", label))
        for reply in replies:
            is_nested = "batch" in reply.tags
            nested = reply if is_nested else _tagged(reply, "batch", reference)
            self.send_unlabeled(self.sender, nested)
        self.send_unlabeled(self.sender, Message("BATCH", (f"-{reference}",), server))

    # Messages to any members.

    def send_to(
        self, members: Iterable[Member], message: Message, skip: Member | None = None
    ) -> None:
        """Send a message to members except `skip`; to the sender, it is a reply."""
        groups: dict[int, list[Member]] = {}
        for member in members:
            if member is skip:
                continue
            if member is self.sender:
                self.reply_message(message)
            else:
                groups.setdefault(member.tag_caps, []).append(member)
        encoded = EncodedMessage(message, self.now)
        for tag_caps, group in groups.items():
            self.effects.append(Send(group, encoded.bytes_for(tag_caps)))

    def broadcast(self, channel: Channel, message: Message, *, to_sender: bool) -> None:
        """Send a message to the members of a channel, and perhaps to the sender as a reply."""
        if to_sender and self.sender in channel.members:
            self.reply_message(message)
        encoded = EncodedMessage(message, self.now)
        self.effects.append(Broadcast(channel.audience(), self.sender, encoded))

    def send_unlabeled(self, member: Member, message: Message) -> None:
        """Send a message to one member now, whether or not a label holds back replies."""
        data = EncodedMessage(message, self.now).bytes_for(member.tag_caps)
        self.effects.append(Send((member,), data))

    # Messages whose source is the sender.

    def message_from_sender(self, command: str, *params: str) -> Message:
        """A message from the sender, with its account and bot tags."""
        return Message(command, params, self.sender.prefix, self.sender.message_tags())

    def history_message(self, command: str, *params: str) -> Message:
        """A message from the sender that history can keep: it has an id and a time."""
        tags = {
            "time": timestamp(self.now),
            "msgid": self.room.ids.next_id(),
            **self.sender.message_tags(),
            **self.client_tags,
        }
        return Message(command, params, self.sender.prefix, tags)

    # Other effects.

    def record(self, channel: Channel, message: Message) -> None:
        """Add a message to a channel's history."""
        channel.history.append(message)
        if channel.is_persistent:
            self.effects.append(Record(channel, message))

    def save(self, channel: Channel) -> None:
        """Store a channel's topic, modes and lists if the channel is persistent."""
        if channel.is_persistent:
            self.effects.append(SaveChannel(channel))

    def verify(self, purpose: CheckPurpose, password: str, stored: str, name: str = "") -> None:
        """Check the sender's password; its next lines wait for the outcome."""
        self.sender.password_check = PasswordCheck(purpose, name, self.label)
        self.effects.append(Verify(self.sender, password, stored))

    def close(self, member: Member, reason: str) -> None:
        """Send a member the reason, and close its connection."""
        error = Message("ERROR", (f"Closing link: {member.host} ({reason})",))
        self.send_unlabeled(member, error)
        self.effects.append(Close(member, reason))


def _middle(param: str) -> str:
    """A parameter that may stand before others: "*" for one that is empty or has a space."""
    return param if param and " " not in param and param[0] != ":" else "*"


def pack(words: Iterable[str], separator: str, max_bytes: int) -> Iterator[str]:
    """Join words into lines of at most `max_bytes`, with at least one word in a line."""
    line: list[str] = []
    used = 0
    for word in words:
        size = len(word.encode()) + len(separator)
        if line and used + size > max_bytes + len(separator):
            yield separator.join(line)
            line, used = [], 0
        line.append(word)
        used += size
    if line:
        yield separator.join(line)


def _tagged(message: Message, tag: str, value: str) -> Message:
    return replace(message, tags={**message.tags, tag: value})

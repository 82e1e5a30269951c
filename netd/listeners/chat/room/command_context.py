"""One line's handling: who sent it, what is answered, and the label that ties them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.effect import Announcement, Close, Effect, Record, Send
from netd.listeners.chat.room.encoded_message import EncodedMessage, timestamp
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import MAX_BODY_BYTES, Message, format_body

if TYPE_CHECKING:
    from netd.listeners.chat.room.room import Room


class CommandContext:
    """What a handler works with; the effects gather in `effects`.

    With a label (labeled-response) the answers to the sender are held back until `finish`
    knows how many they are.
    """

    def __init__(self, room: Room, member: Member, now: float, label: str = "") -> None:
        self.room = room
        self.member = member
        self.now = now
        self.label = label
        self.command = ""
        self.tags: dict[str, str] = {}  # client-only tags of the line
        self.effects: list[Effect] = []
        self._answers: list[Message] = []

    def reply(self, numeric: Numeric, *params: str) -> None:
        """Answer the sender with a numeric."""
        last = (numeric.text,) if numeric.text else ()
        self.tell(numeric.code, self.member.shown_nick, *params, *last)

    def reply_words(
        self, numeric: Numeric, params: Sequence[str], words: Iterable[str], between: str = " "
    ) -> None:
        """Answer with a numeric that ends in words, as often as it takes to say them all."""
        head = (self.member.shown_nick, *params, "")
        source = self.room.settings.server_name
        free = MAX_BODY_BYTES + 2 - len(format_body(Message(numeric.code, head, source)))
        for line in pack(words, between, free):
            self.reply(numeric, *params, line)

    def tell(self, command: str, *params: str) -> None:
        """Answer the sender with a command from the server."""
        shown = (*map(_shown, params[:-1]), *params[-1:])
        self.answer(Message(command, shown, self.room.settings.server_name))

    def fail(self, code: str, *context_and_text: str) -> None:
        """Answer with a standard reply: FAIL, the command, a code, context, a sentence."""
        self.tell("FAIL", self.command, code, *context_and_text)

    def answer(self, message: Message) -> None:
        """Send the sender something that is part of the answer to its line."""
        if self.label:
            self._answers.append(message)
        else:
            self.post(self.member, message)

    def send(self, members: Iterable[Member], message: Message, skip: Member | None = None) -> None:
        """Send a message to each of the members but `skip`, the sender perhaps among them."""
        groups: dict[int, list[Member]] = {}
        for member in members:
            if member is skip:
                continue
            if member is self.member:
                self.answer(message)
            else:
                groups.setdefault(member.tag_caps, []).append(member)
        envelope = EncodedMessage(message, self.now)
        for tag_caps, group in groups.items():
            self.effects.append(Send(group, envelope.bytes_for(tag_caps)))

    def broadcast(self, channel: Channel, message: Message, *, to_self: bool) -> None:
        """Send a message to everybody in a channel, to the sender only if so asked."""
        if to_self and self.member in channel.members:
            self.answer(message)
        envelope = EncodedMessage(message, self.now)
        self.effects.append(Announcement(channel.audience(), self.member, envelope))

    def from_member(self, command: str, *params: str) -> Message:
        """A message whose source is the sender, with the tags that tell about it."""
        return Message(command, params, self.member.prefix, self.room.tags_of(self.member))

    def recorded(self, command: str, *params: str) -> Message:
        """A message from the sender that history can keep: with its id, its time, its tags."""
        tags = {
            "time": timestamp(self.now),
            "msgid": self.room.next_id(),
            **self.room.tags_of(self.member),
            **self.tags,
        }
        return Message(command, params, self.member.prefix, tags)

    def keep(self, channel: Channel, message: Message) -> None:
        """Add to a channel's history."""
        channel.history.append(message)
        if channel.is_kept:
            self.effects.append(Record(channel, message))

    def close(self, member: Member, reason: str) -> None:
        """Tell a member why it goes, and let it go."""
        error = Message("ERROR", (f"Closing link: {member.host} ({reason})",))
        self.post(member, error)
        self.effects.append(Close(member, reason))

    def finish(self) -> None:
        """Send what was held back for the label (labeled-response)."""
        label, self.label = self.label, ""
        if not label:
            return
        server = self.room.settings.server_name
        answers = self._answers or [Message("ACK", (), server)]
        if len(answers) == 1:
            self.post(self.member, _tagged(answers[0], "label", label))
            return
        reference = self.room.next_id()
        start = Message("BATCH", (f"+{reference}", "labeled-response"), server)
        self.post(self.member, _tagged(start, "label", label))
        for each in answers:
            nested = "batch" in each.tags
            self.post(self.member, each if nested else _tagged(each, "batch", reference))
        self.post(self.member, Message("BATCH", (f"-{reference}",), server))

    def batch(self, kind: str, params: Sequence[str], messages: Iterable[Message]) -> None:
        """Answer with a batch, or with its bare messages where the client takes none."""
        if not self.member.has(Cap.BATCH):
            for each in messages:
                self.answer(each)
            return
        reference = self.room.next_id()
        self.tell("BATCH", f"+{reference}", kind, *params)
        for each in messages:
            self.answer(_tagged(each, "batch", reference))
        self.tell("BATCH", f"-{reference}")

    def post(self, member: Member, message: Message) -> None:
        """Send a message to one member, no part of any answer."""
        data = EncodedMessage(message, self.now).bytes_for(member.tag_caps)
        self.effects.append(Send((member,), data))


def _shown(param: str) -> str:
    """A parameter as it can stand before others: what a client sent as its last may not."""
    return param if param and " " not in param and param[0] != ":" else "*"


def pack(words: Iterable[str], between: str, max_bytes: int) -> Iterator[str]:
    """Join words into lines of at most so many bytes, a word at least in each."""
    line: list[str] = []
    used = 0
    for word in words:
        size = len(word.encode()) + len(between)
        if line and used + size > max_bytes + len(between):
            yield between.join(line)
            line, used = [], 0
        line.append(word)
        used += size
    if line:
        yield between.join(line)


def _tagged(message: Message, tag: str, value: str) -> Message:
    return replace(message, tags={**message.tags, tag: value})

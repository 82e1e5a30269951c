"""The context of one line: its client, the replies to it, and the label that ties them to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.client_state import CheckPurpose, PasswordCheck
from netd.listeners.chat.room.effect import (
    Broadcast,
    Close,
    Effect,
    Log,
    Record,
    SaveChannel,
    Send,
    Store,
    Verify,
)
from netd.listeners.chat.room.encoded_message import EncodedMessage, timestamp
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.numeric import Numeric
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.room.storage import Change
from netd.protocols.irc import MAX_BODY_BYTES, Message, format_body
from netd.protocols.password_work import CheckProof, MakeKeys, PasswordWork

WORK_PER_RECIPIENT: Final = 3  # the system call is shared with other lines of the same turn
WORK_PER_SEND: Final = 4
_BYTES_PER_WORK: Final = 32


class CommandContext:
    """The room, the client and the time for a command's handler, whose effects it collects.

    `client` is the connection, which gets the replies; `sender` is its member.

    If the line has a label (labeled-response), the first reply is held back until there is a second
    one, or until `finish`, because their form depends on their number.
    """

    def __init__(self, room: RoomState, client: Client, now: float, label: str = "") -> None:
        self.room = room
        self.client = client
        client.member.may_have_changed = True
        self.now = now
        self.label = label
        self.command = ""
        self.client_tags: dict[str, str] = {}
        self.effects: list[Effect] = []
        self.work = 0
        """The cost of the line so far, in units of about one microsecond."""
        self._first_reply: Message | None = None  # to a line with a label
        self._batch = ""  # of the replies to a line with a label

    @property
    def sender(self) -> Member:
        """The member of the client; another one, once the client has joined that one."""
        return self.client.member

    # Replies: to the client, with the label.

    def reply(self, numeric: Numeric, *params: str) -> None:
        """Send the client a numeric reply."""
        last = (numeric.text,) if numeric.text else ()
        self.reply_command(numeric.code, self.sender.shown_nick, *params, *last)

    def reply_words(
        self, numeric: Numeric, params: Sequence[str], words: Iterable[str], separator: str = " "
    ) -> Iterator[None]:
        """Send a numeric that ends in a list of words; long lists need several lines."""
        for line in pack(words, separator, self.free_bytes(numeric, params)):
            self.reply(numeric, *params, line)
            self.work += line.count(separator)
            yield

    def free_bytes(self, numeric: Numeric, params: Sequence[str]) -> int:
        """The size that the last parameter of a numeric can have, after the other ones."""
        head = (self.sender.shown_nick, *params, "")
        source = self.room.settings.server_name
        return MAX_BODY_BYTES + 2 - len(format_body(Message(numeric.code, head, source)))

    def reply_command(self, command: str, *params: str) -> None:
        """Send the client a command whose source is the server."""
        shown = (*map(_middle, params[:-1]), *params[-1:])
        self.reply_message(Message(command, shown, self.room.settings.server_name))

    def fail(self, code: str, *context_and_text: str) -> None:
        """Send the standard reply FAIL: the command, a code, context, a sentence."""
        self.reply_command("FAIL", self.command, code, *context_and_text)

    def reply_message(self, message: Message) -> None:
        """Send the client a message that is part of the reply to its line."""
        if not self.label:
            self.send_unlabeled(self.client, message)
        elif self._batch:
            self._reply_in_batch(message)
        elif self._first_reply is None:
            self._first_reply = message
        else:
            self._open_batch()
            self._reply_in_batch(self._first_reply)
            self._reply_in_batch(message)

    def reply_batch(
        self, kind: str, params: Sequence[str], messages: Iterable[Message]
    ) -> Iterator[None]:
        """Send the client a batch, or the bare messages if it takes no batches."""
        if not self.client.has(Cap.BATCH):
            for message in messages:
                self.reply_message(message)
                yield
            return
        reference = self.room.next_batch_id()
        self.reply_command("BATCH", f"+{reference}", kind, *params)
        for message in messages:
            self.reply_message(_tagged(message, "batch", reference))
            yield
        self.reply_command("BATCH", f"-{reference}")

    def finish(self) -> None:
        """Complete the reply to a line with a label (labeled-response)."""
        label, self.label = self.label, ""
        batch, self._batch = self._batch, ""
        server = self.room.settings.server_name
        if batch:
            self.send_unlabeled(self.client, Message("BATCH", (f"-{batch}",), server))
        elif label:
            reply = self._first_reply or Message("ACK", (), server)
            self.send_unlabeled(self.client, _tagged(reply, "label", label))

    def _open_batch(self) -> None:
        self._batch = self.room.next_batch_id()
        params = (f"+{self._batch}", "labeled-response")
        start = Message("BATCH", params, self.room.settings.server_name)
        self.send_unlabeled(self.client, _tagged(start, "label", self.label))

    def _reply_in_batch(self, reply: Message) -> None:
        is_nested = "batch" in reply.tags
        nested = reply if is_nested else _tagged(reply, "batch", self._batch)
        self.send_unlabeled(self.client, nested)

    # Messages to any members and clients.

    def send_to(
        self,
        members: Iterable[Member],
        message: Message,
        skip: Client | None = None,
        cap: Cap | None = None,
    ) -> None:
        """Send a message to the clients of members except `skip`; to this client, it is a reply.

        With `cap`, only clients with that capability get it.
        """
        clients = [client for member in members for client in member.clients]
        self.send_to_clients(clients, message, skip, cap)

    def send_to_clients(
        self,
        clients: Iterable[Client],
        message: Message,
        skip: Client | None = None,
        cap: Cap | None = None,
    ) -> None:
        """Send a message to clients except `skip`; to this client, it is a reply.

        With `cap`, only clients with that capability get it.
        """
        if cap is not None:
            needed = int(cap)
            clients = [client for client in clients if client.caps & needed]
        groups: defaultdict[int, list[Client]] = defaultdict(list)
        own = self.client
        for client in clients:
            if client is skip or client.is_remote:
                continue
            if client is own:
                self.reply_message(message)
            else:
                groups[client.tag_caps].append(client)
        encoded = EncodedMessage(message, self.now)
        for tag_caps, group in groups.items():
            self.effects.append(Send(group, encoded.bytes_for(tag_caps)))
            self.work += WORK_PER_RECIPIENT * len(group)

    def send_to_others(self, message: Message, cap: Cap | None = None) -> None:
        """Send a message to the other clients of the sender."""
        self.send_to_clients(self.sender.clients, message, self.client, cap)

    def reply_to_others(self, numeric: Numeric) -> None:
        """Send a numeric without parameters to the other clients of the sender."""
        params = (self.sender.shown_nick, numeric.text)
        self.send_to_others(Message(numeric.code, params, self.room.settings.server_name))

    def broadcast(self, channel: Channel, message: Message) -> None:
        """Announce a change to the members of a channel; to this client, it is a reply."""
        self.work += WORK_PER_RECIPIENT * len(channel.members)
        self.relay(channel, message, to_sender=True)

    def relay(self, channel: Channel, message: Message, *, to_sender: bool) -> None:
        """Send a message to a channel's members; with `to_sender`, this client gets it as a reply.

        The other clients of the sender get it in any case. Flood control does not charge a client
        for the delivery of its messages.
        """
        if to_sender and self.sender in channel.members:
            self.reply_message(message)
        encoded = EncodedMessage(message, self.now)
        self.effects.append(Broadcast(channel.audience(), self.client, encoded))

    def take_effects(self) -> list[Effect]:
        """Take the effects so far; the work is added to the client's."""
        effects, self.effects = self.effects, []
        self.client.work += self.work + self.sender.work
        self.work = self.sender.work = 0
        return effects

    def take_over(self, other: CommandContext) -> None:
        """Take the effects and the work of a context for another client, without a label."""
        self.effects += other.effects
        self.work += other.work
        other.effects, other.work = [], 0

    def send_unlabeled(self, client: Client, message: Message) -> None:
        """Send a message to one client now, whether or not a label holds back replies."""
        if client.is_remote:
            return
        data = EncodedMessage(message, self.now).bytes_for(client.tag_caps)
        self.effects.append(Send((client,), data))
        self.work += WORK_PER_SEND + len(data) // _BYTES_PER_WORK

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
        if self.room.settings.stores_messages:
            self.effects.append(Record(channel, message))

    def log(self, text: str) -> None:
        """Write a line to the log of the daemon."""
        self.effects.append(Log(text))

    def save(self, channel: Channel) -> None:
        """Store a channel's state after a change, or after its removal."""
        channel.may_have_changed = True
        channel.access.note_openness(self.room.ids.position, is_open=channel.is_open)
        self.effects.append(SaveChannel(channel))

    def store(self, change: Change) -> None:
        """Change the database; the command does not wait for it."""
        self.effects.append(Store(change))

    def report(self, text: str) -> None:
        """Log an event for the administrator."""
        self.effects.append(Log(text))

    def verify(
        self, purpose: CheckPurpose, password: str, stored: str, name: str = "", detail: str = ""
    ) -> None:
        """Check the client's password; its next lines wait for the outcome."""
        self._begin_check(PasswordCheck(purpose, name, self.label, detail), password, stored)

    def check_proof(self, proof: CheckProof, stored: str, name: str) -> None:
        """Check a SCRAM client's proof; its next lines wait for the outcome."""
        self._begin_check(PasswordCheck(CheckPurpose.SCRAM, name, self.label), "", stored, proof)

    def make_keys(self, purpose: CheckPurpose, password: str, name: str, detail: str = "") -> None:
        """Make the keys of a new password; the client's next lines wait for them."""
        keys = MakeKeys(password, self.room.random_bytes())
        self._begin_check(PasswordCheck(purpose, name, self.label, detail), "", "", keys)

    def _begin_check(
        self, check: PasswordCheck, password: str, stored: str, work: PasswordWork | None = None
    ) -> None:
        self.client.password_check = check
        if not self.client.is_remote:
            self.effects.append(Verify(self.client, check, password, stored, work))

    def close(self, client: Client, reason: str) -> None:
        """Send a client the reason, and close its connection."""
        error = Message("ERROR", (f"Closing link: {client.member.host} ({reason})",))
        self.send_unlabeled(client, error)
        if not client.is_remote:
            self.effects.append(Close(client, reason))


def _middle(param: str) -> str:
    """A parameter that is not the last: "*" in place of one that is empty or has a space."""
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


def cut_at_space(text: str, max_bytes: int) -> str:
    """The first words of a text, of at most `max_bytes`, but at least one."""
    data = text.encode()
    if len(data) <= max_bytes:
        return text
    end = data.rfind(b" ", 0, max_bytes + 1)
    return data[:end].decode() if end > 0 else text.partition(" ")[0]


def _tagged(message: Message, tag: str, value: str) -> Message:
    tags = {**message.tags, tag: value}
    return Message(message.command, message.params, message.source, tags)  # replace() is slower

"""The state of a client, which server messages and slash commands read and change."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from netd.client.core.casemap import CaseMapping
from netd.client.core.chat_events import (
    ChatMessage,
    Effect,
    MessageKind,
    Notice,
    Reaction,
    Refused,
    Undelivered,
)
from netd.client.core.conversations import MAX_REMEMBERED_IDS, Conversations
from netd.client.core.outbox import MAX_WAITING, Outbox
from netd.client.core.outgoing import OutgoingMessage, join_lines, split_message
from netd.client.core.roster import Roster
from netd.client.core.secrets import login_password, new_password
from netd.protocols.irc import Message

MAX_HISTORY_PAGE: Final = 100
MAX_TOKENS: Final = 200
MAX_NEW_LOGINS: Final = 3  # to try: a server counts wrong passwords
MAX_CHANNELS: Final = 500  # that a server may add to those the user has joined
MULTILINE: Final = "draft/multiline"
_MULTILINE_BYTES: Final = 4096  # where the server gives no limit
_MAX_DIGITS: Final = 9
_LONGEST_USER_AND_HOST: Final = "u" * 12 + "@" + "h" * 63  # of common servers


@dataclass(frozen=True, slots=True)
class Identity:
    """The configured name, channels, login and limits of the client."""

    name: str
    channels: tuple[str, ...] = ("#lounge",)
    password: str = ""  # of the account, or of a server without `server_password`
    server_password: str = ""
    has_certificate: bool = False  # log in with the TLS client certificate
    uses_scram: bool = False  # log in without sending the password, or not connect
    may_rename: bool = True  # use another nick if the name is taken
    history_lines: int = 50
    burst: int = 10
    lines_per_s: float = 4.0

    @property
    def sends_password(self) -> bool:
        """Whether a server gets a password itself, not only a proof that it is known."""
        return bool(self.server_password or (self.password and not self.uses_scram))


@dataclass(frozen=True, slots=True)
class Login:
    """An account and its password."""

    account: str
    password: str


@dataclass(slots=True)
class HistoryBatch:
    """An open batch of history: its new messages, and what has arrived in all."""

    target: str
    messages: list[ChatMessage] = field(default_factory=list)
    received: int = 0
    last: str = ""  # the reference of the last message: `msgid=...` or `timestamp=...`
    is_search: bool = False
    ids: list[str] = field(default_factory=list)  # of all that has arrived, in order
    since: str = ""  # the server's time of the first message
    until: str = ""  # the same of the last one
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True)
class MultilineBatch:
    """An open batch of the lines of one message; `opening` has its tags and its target."""

    opening: Message
    lines: list[Message] = field(default_factory=list)


@dataclass(slots=True)
class ClientState:
    """The state of one client over any number of connections."""

    identity: Identity
    nick: str = field(init=False)
    wanted_nick: str = field(init=False)  # requested on the next connection
    source: str = ""  # nick!user@host as other clients see it, once known
    is_logged_in: bool = False  # to an account, on this connection
    login: Login = field(init=False)  # for the next connection; at first the configured one
    new_logins: tuple[Login, ...] = ()  # with passwords that NickServ may have set, newest first
    offered_password: str = ""  # sent to NickServ, which has not replied yet
    is_registered: bool = False
    was_registered: bool = False  # on this connection or an earlier one
    has_seen_motd: bool = False
    highlights: tuple[str, ...] = ()  # words that make a message one for the user, as the nick does
    is_away: bool = False  # as the server has said
    searched_in: str = ""  # the conversation of the last search; empty for all
    wants_away: bool = False  # show which members are away
    who_requested: set[str] = field(default_factory=set)  # folded channels, for that
    whois_of: str = ""  # the folded nick of the WHOIS whose reply has begun
    is_quiet: bool = False  # hide membership changes
    fold: CaseMapping = field(default_factory=CaseMapping)
    isupport: dict[str, str] = field(default_factory=dict)  # what the server announced (005)
    capability_values: dict[str, str] = field(default_factory=dict)
    roster: Roster = field(init=False)
    conversations: Conversations = field(init=False)
    autojoin: dict[str, tuple[str, ...]] = field(init=False)  # folded name -> name, maybe a key
    ignored: dict[str, str] = field(default_factory=dict)  # folded nick -> nick as typed
    capabilities: set[str] = field(default_factory=set)
    history_batches: dict[str, HistoryBatch] = field(default_factory=dict)  # still open
    multiline_batches: dict[str, MultilineBatch] = field(default_factory=dict)  # still open
    labeled_batches: dict[str, str] = field(default_factory=dict)  # reference -> label
    history_page: int = 100  # the number of messages that the server sends for a request
    last_heard: dict[str, str] = field(default_factory=dict)  # folded channel -> server time
    last_time: str = ""  # the server time of the last message
    missed_since: str = ""  # the same at the start of this connection
    catching_up: dict[str, int] = field(default_factory=dict)  # folded target -> page of history
    resume_token: str = ""  # with which the next connection can take the place of this one
    next_resume_token: str = ""  # the same, once the server has sent all that was missed
    is_resuming: bool = False  # the server sends what its kept place has missed
    closing_reason: str = ""  # the server's, on this connection
    outbox: Outbox = field(init=False)
    kept_conversations: tuple[str, ...] = ()  # private ones that an earlier run has left open
    unread_targets: dict[str, str] = field(default_factory=dict)  # folded nick -> newest message
    is_regaining: bool = False  # the wanted nick was requested without the user's doing
    reactions: dict[tuple[str, str], bool] = field(default_factory=dict)  # the user's, by msgid
    _message_ids: dict[str, None] = field(default_factory=dict)  # in no open conversation

    def __post_init__(self) -> None:
        self.nick = self.wanted_nick = self.identity.name
        self.login = Login(self.identity.name, self.identity.password)
        self.roster = Roster(self.fold)
        self.outbox = Outbox(self.identity.burst, self.identity.lines_per_s, self.fold)
        self.autojoin = {self.fold(name): (name,) for name in self.identity.channels}
        self.conversations = Conversations(self.fold, is_channel)
        for name in self.identity.channels:
            self.conversations.open(name)
        for name in self.identity.channels[:1]:
            self.current = name

    @property
    def current(self) -> str:
        """The channel or user that receives plain text; empty for the server."""
        return self.conversations.current.name

    @current.setter
    def current(self, name: str) -> None:
        self.conversations.switch(name)

    @property
    def has_echo(self) -> bool:
        """Whether the server sends the user's own messages back (echo-message)."""
        return "echo-message" in self.capabilities

    def apply_isupport(self, tokens: Sequence[str]) -> None:
        """Adopt what the tokens of a 005 reply say of the server."""
        for token in tokens:
            name, _, value = token.partition("=")
            if len(self.isupport) < MAX_TOKENS:
                self.isupport[name] = value
            if name == "CHATHISTORY" and value.isdecimal() and int(value):
                self.history_page = min(int(value), MAX_HISTORY_PAGE)
        if self.fold.update(tokens):
            self.conversations.refold()
            self.autojoin = {self.fold(channel[0]): channel for channel in self.autojoin.values()}
            self.ignored = {self.fold(nick): nick for nick in self.ignored.values()}

    def is_me(self, nick: str) -> bool:
        """Whether the nick is this client's."""
        return self.fold(nick) == self.fold(self.nick)

    def is_current(self, target: str) -> bool:
        """Whether plain text goes to this channel or user."""
        return self.fold(target) == self.fold(self.current)

    def mentions_me(self, text: str) -> bool:
        """Whether the text contains this client's nick, or a highlight, as a word."""
        words = "|".join(re.escape(word) for word in (self.nick, *self.highlights) if word)
        return re.search(rf"(?<!\w)(?:{words})(?!\w)", text, re.IGNORECASE) is not None

    def can_send(self, target: str) -> bool:
        """Whether a message to the target can be sent now."""
        is_waiting = self.is_resuming or self.fold(target) in self.catching_up
        return self.is_registered and not is_waiting and self._can_reach(target)

    def _can_reach(self, target: str) -> bool:
        return not is_channel(target) or target in self.roster

    def can_queue(self, target: str) -> bool:
        """Whether a message to the target can be sent now, or once the client has joined it."""
        return self._can_reach(target) or self.fold(target) in self.autojoin

    def give_up_unreachable(self) -> list[Effect]:
        """Give up the messages to channels that the client will not join again."""
        targets = dict.fromkeys(message.target for message in self.outbox.waiting())
        lost = [target for target in targets if not self.can_queue(target)]
        return [effect for name in lost for effect in self.outbox.drop(name, _outside(name))]

    def _reason_to_wait(self, target: str) -> str:
        """Return why a message to the target cannot be sent yet; empty if it can."""
        if not self.is_registered:
            return "not connected; kept until the connection is back"
        if self.can_send(target):
            return ""
        if self.is_resuming or self._can_reach(target):
            return "kept until the server has sent what was said meanwhile"
        return f"not in {target} yet; kept until you are"

    def record_message_id(self, peer: str, message_id: str) -> bool:
        """Remember the id of a message in a conversation; return False if it was known.

        A conversation that is opened again may show a message again. True for an empty id.
        """
        if not message_id:
            return True
        if (conversation := self.conversations.get(peer)) is not None:
            return conversation.record_id(message_id)
        if message_id in self._message_ids:
            return False
        self._message_ids[message_id] = None
        _forget_oldest(self._message_ids, MAX_REMEMBERED_IDS)
        return True

    def record_join(self, channel: str) -> bool:
        """Join the channel again after a reconnect; return False if there are too many."""
        name = self.fold(channel)
        if name not in self.autojoin and len(self.autojoin) >= MAX_CHANNELS:
            return False
        self.autojoin.setdefault(name, (channel,))
        return True

    def record_time(self, channel: str, time: str) -> None:
        """Remember the server's time of the newest message in a channel."""
        name = self.fold(channel)
        self.last_time = max(self.last_time, time)
        self.last_heard[name] = max(self.last_heard.get(name, ""), time)
        _forget_oldest(self.last_heard, MAX_CHANNELS)

    def toggle_reaction(self, message_id: str, reaction: str) -> None:
        """Remember a reaction of the user, or forget it if it is withdrawn."""
        given = (message_id, reaction)
        if self.reactions.pop(given, None) is None:
            self.reactions[given] = True
            _forget_oldest(self.reactions, MAX_REMEMBERED_IDS)

    def split(
        self, target: str, text: str, kind: MessageKind = MessageKind.TEXT
    ) -> list[OutgoingMessage]:
        """Return the messages that a text for a target needs."""
        source = self.source or f"{self.nick}!{_LONGEST_USER_AND_HOST}"
        parts = list(split_message(source, target, text, kind))
        return join_lines(parts, *self._multiline_limits()) if len(parts) > 1 else parts

    def _multiline_limits(self) -> tuple[int, int]:
        """Return how many lines and bytes a message may have (draft/multiline)."""
        if MULTILINE not in self.capabilities:
            return 1, 0
        values = self.capability_values.get(MULTILINE, "").split(",")
        limits = dict(value.partition("=")[::2] for value in values)
        numbers = [limits.get(name, "") for name in ("max-lines", "max-bytes")]
        lines, size = (int(n) if n.isdecimal() and len(n) <= _MAX_DIGITS else 0 for n in numbers)
        return lines or MAX_WAITING, size or _MULTILINE_BYTES

    def queue_text(
        self,
        target: str,
        text: str,
        kind: MessageKind = MessageKind.TEXT,
        tags: Mapping[str, str] | None = None,
    ) -> list[Effect]:
        """Queue text for a target, in as many messages as it needs; the first has the tags.

        Text that cannot be sent yet is announced as kept, text that never can as not delivered.
        """
        parts = self.split(target, text, kind)
        if not self.can_queue(target):
            return [Undelivered(target, part.text, _outside(target)) for part in parts]
        self.offered_password = login_password(target, text) or self.offered_password
        if password := new_password(target, text):
            added = Login(self.login.account, password)
            self.new_logins = (added, *self.new_logins)[:MAX_NEW_LOGINS]
        if parts and tags and "message-tags" in self.capabilities:
            parts[0].tags.update(tags)
        if not self.outbox.put(*parts):
            return [Refused(f"{MAX_WAITING} messages wait already; this was dropped")]
        reason = self._reason_to_wait(target) if parts else ""
        return [Notice(reason)] if reason else []


def _outside(channel: str) -> str:
    return f"you are not in {channel}; /join {channel}"


def _forget_oldest(entries: dict[Any, Any], maximum: int) -> None:
    if len(entries) > maximum:
        del entries[next(iter(entries))]


def is_channel(target: str) -> bool:
    """Whether a target is a channel (RFC 2811 2.1), not a user."""
    return target.startswith(("#", "&", "+", "!"))


def peer_of(sender: str, target: str, *, mine: bool) -> str:
    """Return the channel of a message, or the other user of a private one."""
    return target if is_channel(target) or mine else sender

"""Writes snapshots of a room that goes on: as JSON text, of which only the changed parts are made.

`refresh` makes the texts of changed parts in small steps, between which the room can change. Then
`write` makes those that have changed again meanwhile, and so the whole text is of one moment. It
compares only the members and channels that commands have found meanwhile (`may_have_changed`), as
clients wait while it runs; so the last steps of `refresh` compare these too, until they are few.
The text can be loaded as a saved room, without the clients that are not registered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from operator import attrgetter
from typing import Any, Final, TypeVar

from netd.listeners.chat.room.capability import WIRE_NAMES
from netd.listeners.chat.room.channel import Channel
from netd.listeners.chat.room.history import History
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.room_records import (
    CLIENT,
    MEMBER,
    MESSAGE_IDS,
    SERVER_BAN,
    WHOWAS,
)
from netd.listeners.chat.room.saved_history import TemplateTable, save_entries
from netd.listeners.chat.room.saved_member import save_member
from netd.listeners.chat.room.saved_room import save_channel, save_ghosts, save_offers
from netd.listeners.chat.room.state import RoomState
from netd.protocols.record import save_all

_Found = TypeVar("_Found", Channel, Member)

MAX_GHOST_BYTES: Final = 1 << 20  # of the lines for members without a connection: they come anew
_MEMBERS_A_STEP: Final = 16
_FEW: Final = 32
"""How many parts may be left to `write`."""
_MAX_ROUNDS: Final = 8
"""How often `refresh` looks for the parts that were found meanwhile."""
_UNIMPORTANT: Final = frozenset({
    "state",  # registered
    "registration",  # complete
    "sasl", "password_check",  # given up with the connection
    "idle_since", "work",  # as of the member's last change
})  # fmt: skip
_CONTAINERS: Final = frozenset({"accepted", "channels", "modes", "monitoring", "open_batch"})
_NO_HISTORY: Final = b'{"templates":[],"entries":[]}'
_END_WITHOUT_HISTORY: Final = b',"history":' + _NO_HISTORY + b"}"
_read_plain = attrgetter(*sorted(MEMBER.saved.keys() - _UNIMPORTANT - _CONTAINERS))
_read_client = attrgetter(*sorted(CLIENT.saved.keys() - _UNIMPORTANT - _CONTAINERS))
_encode = json.JSONEncoder(separators=(",", ":")).encode


class RoomSnapshot:
    """The texts of a room's parts."""

    def __init__(self, room: RoomState) -> None:
        self._room = room
        self._numbers: dict[Member, int] = {}
        self._free: list[int] = []
        self._members: dict[Member, _Part] = {}
        self._channels: dict[Channel, _Part] = {}
        self._histories: dict[History, _HistoryText] = {}
        self._markers: dict[str, _Part] = {}
        self._whowas = _Texts(lambda entry: _encode(save_all(WHOWAS, [entry])[0]))

    def refresh(self) -> Iterator[None]:
        """Make the texts of changed parts, step by step."""
        yield from self._refresh_all()
        for _ in range(_MAX_ROUNDS):
            members = _found(self._room.registered_members(), self._members)
            channels = _found(self._room.channels.values(), self._channels)
            if len(members) + len(channels) <= _FEW:
                return
            for member in members:
                self._member(member)
                yield
            for channel in channels:
                self._channel(channel)
                yield

    def _refresh_all(self) -> Iterator[None]:
        for number, member in enumerate(self._room.registered_members()):
            self._member(member)
            if not number % _MEMBERS_A_STEP:
                yield
        for channel in list(self._room.channels.values()):
            self._channel(channel)
            self._history(channel.history)
            yield
        for private in list(self._room.private_histories.values()):
            for _, log in list(private.conversations.values()):
                self._history(log)
            yield
        self._forget()
        yield

    def write(self) -> list[bytes]:
        """The whole text, in pieces."""
        members = self._room.registered_members()
        self._assign_numbers(members)
        return [
            *self._head(members),
            *self._list("members", self._rows(members)),
            *self._all_channels(),
            b",", self._ghosts(),
            b',"whowas":', self._whowas.join(self._room.whowas),
            b',"read_markers":{', b",".join(self._all_markers()),
            b'},"private_histories":{', b",".join(self._private()), b"}}",
        ]  # fmt: skip

    def _head(self, members: list[Member]) -> list[bytes]:
        room = self._room
        head = {
            "created": room.created,
            "secret": room.secret,
            "cloak_key": room.cloak_key,
            "most_members": room.most_members,
            "ids": MESSAGE_IDS.save(room.ids),
            "offers": save_offers(room.settings),
            "caps": list(WIRE_NAMES.values()),
            "nicks": [self._numbers[member] for member in members],
            "unregistered": [],
            "server_bans": save_all(SERVER_BAN, room.server_bans),
            "restored": self._restored(),
        }
        return [_encode(head)[:-1].encode()]

    def _restored(self) -> list[str]:
        """The names of the restored channels; usually there are none among thousands."""
        restored = self._room.restored
        channels = self._room.channels if restored else {}
        return [name for name, channel in channels.items() if channel in restored]

    @staticmethod
    def _list(name: str, parts: Iterable[bytes]) -> list[bytes]:
        return [f',"{name}":['.encode(), b",".join(parts), b"]"]

    # Members: each one has a number, and numbers that are free are used again.

    def _assign_numbers(self, members: list[Member]) -> None:
        present = {*members}
        for member in [member for member in self._numbers if member not in present]:
            self._free.append(self._numbers.pop(member))
            del self._members[member]
        for member in _found(members, self._members):
            self._member(member)

    def _rows(self, members: list[Member]) -> list[bytes]:
        rows = [b"null"] * (len(self._numbers) + len(self._free))
        for member in members:
            rows[self._numbers[member]] = self._members[member].text
        return rows

    def _member(self, member: Member) -> None:
        member.may_have_changed = False
        part = self._members.get(member)
        if part is None:
            part = self._members[member] = _Part()
            self._numbers[member] = self._free.pop() if self._free else len(self._numbers)
        if part.has_changed(_key_of_member(member)):
            part.write(save_member(self._room, member))

    # Channels and histories.

    def _channel(self, channel: Channel) -> _Part:
        """The text of a channel as it is without a history."""
        channel.may_have_changed = False
        part = self._channels.get(channel)
        if part is None:
            part = self._channels[channel] = _Part()
        if part.has_changed(_key_of_channel(channel)):
            part.write(self._save_channel(channel))
            part.text = part.text[:-1] + _END_WITHOUT_HISTORY
        return part

    def _save_channel(self, channel: Channel) -> dict[str, Any]:
        for member in (*channel.members, *channel.invited):
            if member not in self._numbers:
                self._member(member)
        return save_channel(channel, self._numbers)

    def _history(self, history: History) -> bytes:
        if not history.entries:
            return _NO_HISTORY
        text = self._histories.get(history)
        if text is None:
            text = self._histories[history] = _HistoryText()
        return text.update(history)

    def _all_channels(self) -> list[bytes]:
        """In many pieces: together they are long."""
        pieces = [b',"channels":']
        for channel in self._room.channels.values():
            part = self._channels.get(channel)
            if part is None or channel.may_have_changed:
                part = self._channel(channel)
            if channel.history.entries:
                start = part.text.removesuffix(_END_WITHOUT_HISTORY)
                pieces += (b",", start, b',"history":', self._history(channel.history), b"}")
            else:
                pieces += (b",", part.text)
        pieces[1:2] = [b"["]  # in place of the first comma
        return [*pieces, b"]"]

    def _private(self) -> Iterator[bytes]:
        for account, private in self._room.private_histories.items():
            logs = [
                f"[{_encode(folded)},{_encode(nick)},".encode() + self._history(log) + b"]"
                for folded, (nick, log) in private.conversations.items()
            ]
            yield _encode(account).encode() + b":[" + b",".join(logs) + b"]"

    def _forget(self) -> None:
        """Forget the texts of removed channels and conversations."""
        channels = {*self._room.channels.values()}
        for channel in [channel for channel in self._channels if channel not in channels]:
            del self._channels[channel]
        histories = {*self._room.histories()}
        for history in [history for history in self._histories if history not in histories]:
            del self._histories[history]

    # The rest.

    def _ghosts(self) -> bytes:
        size = sum(ghost.kept_bytes for ghost in self._room.ghosts.values())
        saved = save_ghosts(self._room, self._numbers, with_lines=size <= MAX_GHOST_BYTES)
        return _encode(saved)[1:-1].encode()

    def _all_markers(self) -> Iterator[bytes]:
        for account, markers in self._room.read_markers.items():
            part = self._markers.setdefault(account, _Part())
            if part.has_changed(_last_of(markers)):
                part.write(dict(markers))
            yield _encode(account).encode() + b":" + part.text


class _Part:
    """The text of a part, and the hash of all that it depends on.

    The values themselves would take more memory than the text.
    """

    __slots__ = ("_key", "text")

    def __init__(self) -> None:
        self._key: int | None = None
        self.text = b""

    def has_changed(self, key: Hashable) -> bool:
        """Whether the text has to be written: the key is not that of the last call."""
        before, self._key = self._key, hash(key)
        return self._key != before

    def write(self, saved: object) -> None:
        """Make the text."""
        self.text = _encode(saved).encode()


class _Texts:
    """The text of a list whose items do not change."""

    def __init__(self, format_item: Callable[[Any], str]) -> None:
        self._format = format_item
        self._texts: dict[int, tuple[object, str]] = {}  # by id()
        self._ends: tuple[object, ...] = ()
        self._text = b"[]"

    def join(self, items: Any) -> bytes:  # noqa: ANN401 (a deque of any items)
        """The text of the items; only the first and the last one show that there is a change."""
        ends = (len(items), items[0], items[-1]) if items else ()
        if len(ends) == len(self._ends) and all(map(_is_same, ends, self._ends)):
            return self._text
        before, self._texts, self._ends = self._texts, {}, ends
        for item in items:
            known = before.get(id(item))
            self._texts[id(item)] = known if known is not None else (item, self._format(item))
        self._text = f"[{','.join([text for _, text in self._texts.values()])}]".encode()
        return self._text


class _HistoryText:
    """The text of a history, and those of its messages."""

    def __init__(self) -> None:
        self._last_rows = b""
        self._reset()

    def update(self, history: History) -> bytes:
        """The text of the history as it is now."""
        if len(self._templates.rows) > 2 * len(history.entries) + 16:
            self._reset()
        rows = self._rows.join(history.entries)
        if rows is not self._last_rows:
            templates = _encode(self._templates.rows).encode()
            self._last_rows = rows
            self._text = b'{"templates":' + templates + b',"entries":' + rows + b"}"
        return self._text

    def _reset(self) -> None:
        self._templates = templates = TemplateTable()
        self._rows = _Texts(lambda entry: _encode(save_entries((entry,), templates)[0]))
        self._last_rows = b""
        self._text = _NO_HISTORY


def _found(parts: Iterable[_Found], known: Container[_Found]) -> list[_Found]:
    """The members or channels that commands have found since they were compared."""
    return [part for part in parts if part.may_have_changed or part not in known]


def _is_same(left: object, right: object) -> bool:
    return left is right or (isinstance(left, int) and left == right)


def _last_of(markers: dict[str, str]) -> tuple[int, object]:
    """The number of read markers and the newest one, which comes last: any change shows."""
    last = next(reversed(markers), "")
    return len(markers), markers.get(last)


def _key_of_member(member: Member) -> tuple[object, ...]:
    modes, markers = member.modes, member.read_markers
    return (
        _read_plain(member),
        tuple(member.channels),
        tuple(member.accepted.items()),
        modes,
        _last_of(markers) if markers else None,
        tuple(map(_key_of_client, member.clients)),
    )


def _key_of_client(client: Client) -> tuple[object, ...]:
    monitoring = client.monitoring
    batch = client.open_batch
    return (
        _read_client(client),
        tuple(monitoring.items()) if monitoring else None,
        (batch.reference, batch.kept_bytes, batch.has_failed) if batch else None,
    )


def _key_of_channel(channel: Channel) -> tuple[object, ...]:
    return (
        channel.created,
        channel.topic,
        channel.is_persistent,
        channel.kept_until,
        tuple(channel.modes.items()),
        tuple(channel.earlier_status.items()),
        tuple(channel.members.items()),
        tuple(channel.access.since.values()),
        tuple(channel.access.closed[-1]) if channel.access.closed else None,
        tuple(map(tuple, channel.lists.values())),
        frozenset(channel.invited),
    )

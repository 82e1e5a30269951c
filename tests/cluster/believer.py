"""A client that believes what it is sent, as a user does: that must be so in the room."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import Message, fold, parse

_STATUS: Final = {"@": "o", "+": "v"}
_WITH_PARAMETER: Final = "ovbeIkl"
_NOT_LET_IN: Final = "not let in again"


class _View:
    """What a client knows of a channel."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}  # to the status, by nick
        self.topic = ""
        self.flags: set[str] = set()


class Believer:
    """A client, and what it knows. Numbers are those of message ids."""

    def __init__(self, name: str, client: Client, receive: Callable[[Client, str], object]) -> None:
        self.name = name
        self.client = client
        self._receive = receive
        self.nick = name
        self.is_open = True
        self.views: dict[str, _View] = {}
        self.messages: dict[int, tuple[str, str]] = {}
        """The target and the text, by number."""
        self.transcript: list[str] = []
        self.stays: defaultdict[str, list[list[int]]] = defaultdict(list)
        """The first and the last number of each stay in a channel."""
        self.away_since = 0
        self.gaps: list[list[int]] = []
        """The numbers of what its host has not read: of these, only histories have some."""

    def send(self, line: str) -> None:
        """Send a line, unless the client waits for the log."""
        if self.is_open and not self.client.must_wait:
            self._receive(self.client, line)

    def take(self, data: bytes, number: int) -> None:
        """Receive lines, when the last message has this number."""
        for line in data.split(b"\r\n"):
            message = parse(line) if line else None
            if message is not None:
                self.transcript.append(f"{number} {line.decode()}")
                self._believe(message, number)

    def _believe(self, message: Message, number: int) -> None:
        by = message.source.partition("!")[0]
        match message.command, message.params:
            case "PRIVMSG", (target, text):
                own = int(message.tags["msgid"].rpartition("-")[2].removeprefix("id"), 16)
                assert own not in self.messages, f"{self.name} got {text} twice"
                self.messages[own] = (target, text)
            case "JOIN", (channel, *_):
                self._see_join(channel, by, number)
            case "PART", (channel, *reason):
                was_away = reason == [_NOT_LET_IN]
                self._see_part(channel, by, self.away_since if was_away else number)
            case "KICK", (channel, nick, *_):
                self._see_part(channel, nick, number)
            case "QUIT", _:
                for view in self.views.values():
                    view.names.pop(by, None)
            case "NICK", (nick,):
                self._see_nick(by, nick)
            case "TOPIC", (channel, text):
                self.views[channel].topic = text
            case "MODE", (channel, modes, *params) if channel in self.views:
                self._see_modes(channel, modes, params)
            case "332", (_, channel, text):
                self.views[channel].topic = text
            case "324", (_, channel, modes, *_):
                self.views[channel].flags = {*modes} - {"+"}
            case "353", (_, _, channel, names):
                for name in names.split():
                    nick = name.lstrip("@+")
                    status = "".join(_STATUS[prefix] for prefix in name[: -len(nick)])
                    self.views[channel].names[nick] = status

    def _see_join(self, channel: str, nick: str, number: int) -> None:
        if nick == self.nick and channel not in self.views:
            self.views[channel] = _View()
            self.stays[channel].append([number, 1 << 62])
        self.views[channel].names[nick] = ""

    def _see_part(self, channel: str, nick: str, number: int) -> None:
        assert nick in self.views[channel].names, f"{nick} was not in {channel}"
        del self.views[channel].names[nick]
        if nick == self.nick:
            del self.views[channel]
            self.stays[channel][-1][1] = number

    def _see_nick(self, before: str, after: str) -> None:
        if before == self.nick:
            self.nick = after
        for view in self.views.values():
            if before in view.names:
                view.names[after] = view.names.pop(before)

    def _see_modes(self, channel: str, modes: str, params: list[str]) -> None:
        view, sign = self.views[channel], ""
        for letter in modes:
            if letter in "+-":
                sign = letter
                continue
            param = params.pop(0) if letter in _WITH_PARAMETER else ""
            if letter in "ov":
                held = {*view.names[param]} - {letter} | ({letter} if sign == "+" else set())
                view.names[param] = "".join(sorted(held))
            elif letter not in "beI":
                view.flags = view.flags - {letter} | ({letter} if sign == "+" else set())

    def check(self, room: RoomState) -> None:
        """Compare what the client knows with the room."""
        member = room.members.get(fold(self.nick))
        assert member is not None, f"{self.name} has not the nick {self.nick}"
        assert self.client in member.clients, f"{self.name} is not {self.nick}"
        assert {*self.views} == {*member.channels}, f"{self.name}: other channels"
        for name, view in self.views.items():
            channel = room.channels[name]
            names = {one.nick: "".join(sorted(held)) for one, held in channel.members.items()}
            assert view.names == names, f"{self.name} in {name}: {view.names} for {names}"
            topic = channel.topic.text if channel.topic is not None else ""
            assert view.topic == topic, f"{self.name} in {name}: topic {view.topic} for {topic}"

    def check_complete(self, said: Mapping[str, Mapping[int, str]]) -> None:
        """Check that the client has got all that was said in its channels."""
        for channel, stays in self.stays.items():
            for first, last in stays:
                missing = [
                    text
                    for number, text in sorted(said[channel].items())
                    if first < number < last
                    and number not in self.messages
                    and not any(begin < number <= end for begin, end in self.gaps)
                ]
                assert not missing, f"{self.name} has not got {missing} in {channel}"

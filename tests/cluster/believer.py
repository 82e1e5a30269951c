"""A client that believes what it is sent, as a user does: that must be so in the room."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from netd.listeners.chat.room.encoded_message import position_of
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
        self.flags: set[str] | None = None
        """The modes, once they were shown: an arrival is not shown them."""

    def see_names(self, text: str) -> None:
        """Take a line of NAMES."""
        for name in text.split():
            nick = name.lstrip("@+")
            self.names[nick] = "".join(_STATUS[prefix] for prefix in name[: -len(nick)])

    def change_modes(self, modes: str, parameters: list[str]) -> None:
        """Take a MODE."""
        is_given = True
        for letter in modes:
            if letter in "+-":
                is_given = letter == "+"
                continue
            parameter = parameters.pop(0) if letter in _WITH_PARAMETER else ""
            if letter in "ov":
                held = {*self.names[parameter]}
                self.names[parameter] = "".join(sorted(_changed(held, letter, is_given)))
            elif letter not in "beI" and self.flags is not None:
                self.flags = _changed(self.flags, letter, is_given)


def _changed(letters: set[str], letter: str, is_given: bool) -> set[str]:  # noqa: FBT001
    return letters | {letter} if is_given else letters - {letter}


class Believer:
    """A client, and what it knows. Numbers are the positions of messages."""

    def __init__(self, name: str, client: Client, receive: Callable[[Client, str], object]) -> None:
        self.name = name
        self.client = client
        self._receive = receive
        self.nick = name
        self.is_open = True
        self.views: dict[str, _View] = {}
        self.online: dict[str, bool] = {}
        """Whether the members are there that it monitors."""
        self.messages: dict[int, tuple[str, str]] = {}
        """The target and the text, by number."""
        self.doubled: list[int] = []
        """The numbers of messages that have come twice."""
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
                if message.command == "001":
                    self.nick = message.params[0]
                self.transcript.append(f"{number} {line.decode()}")
                self._believe(message, number)

    def _believe(self, message: Message, number: int) -> None:
        by, params = message.source.partition("!")[0], message.params
        match message.command:
            case "PRIVMSG":
                self._see_message(message, by)
            case "JOIN":
                self._see_join(params[0], by, number)
            case "PART":
                is_late = params[1:] == (_NOT_LET_IN,)
                self._see_part(params[0], by, self.away_since if is_late else number)
            case "KICK":
                self._see_part(params[0], params[1], number)
            case "QUIT":
                for view in self.views.values():
                    view.names.pop(by, None)
            case "NICK":
                self._see_nick(by, params[0])
            case _:
                self._see_channel(message.command, params)

    def _see_message(self, message: Message, by: str) -> None:
        target, text = message.params
        number = position_of(message.tags["msgid"])
        is_own = by == target == self.nick  # and is echoed, too
        if number in self.messages and not is_own:
            self.doubled.append(number)
        self.messages[number] = (target, text)

    def _see_join(self, channel: str, nick: str, number: int) -> None:
        if nick == self.nick and channel not in self.views:
            self.views[channel] = _View()
            self.stays[channel].append([number, 1 << 63])
        self.views[channel].names[nick] = ""

    def _see_part(self, channel: str, nick: str, number: int) -> None:
        assert nick in self.views[channel].names, f"{self.name}: {nick} was not in {channel}"
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

    def _see_channel(self, command: str, params: Sequence[str]) -> None:
        match command, params:
            case "TOPIC", (channel, text):
                self.views[channel].topic = text
            case "332", (_, channel, text):
                self.views[channel].topic = text
            case "MODE", (channel, modes, *parameters) if channel in self.views:
                self.views[channel].change_modes(modes, parameters)
            case "324", (_, channel, modes, *_) if channel in self.views:
                self.views[channel].flags = {*modes} - {"+"}
            case "730" | "731", (_, words):
                for word in words.split(","):
                    self.online[fold(word.partition("!")[0])] = command == "730"
            case "353", (_, _, channel, names):
                self.views[channel].see_names(names)

    def check(self, room: RoomState) -> None:
        """Compare what the client knows with the room."""
        if not self.client.is_registered:
            return  # its nick is taken
        member = room.members.get(fold(self.nick))
        assert member is not None, f"{self.name} has not the nick {self.nick}"
        assert self.client in member.clients, f"{self.name} is not {self.nick}"
        for folded in self.client.monitoring:
            is_there = room.find_member(folded) is not None
            assert self.online[folded] == is_there, f"{self.name} monitors {folded}: {is_there}"
        assert {*self.views} == {*member.channels}, f"{self.name}: other channels"
        for name, view in self.views.items():
            channel = room.channels[name]
            names = {one.nick: "".join(sorted(held)) for one, held in channel.members.items()}
            assert view.names == names, f"{self.name} in {name}: {view.names} for {names}"
            topic = channel.topic.text if channel.topic is not None else ""
            is_known = view.flags is not None
            assert not is_known or view.flags == {*channel.modes}, f"{self.name} in {name}: modes"
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

"""A room with guests, and nothing real: effects are carried out on lists of lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netd.listeners.chat.room.effect import Broadcast, Close, Effect, Send, Verify
from netd.listeners.chat.room.member import Member
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.settings import Settings
from netd.protocols.password import matches

NOON = 1_700_049_600.0  # 2023-11-15T12:00:00Z


class Guest:
    """A member as its client sees the room."""

    def __init__(self, hall: Hall, host: str, local_user: str, fingerprint: str) -> None:
        self.hall = hall
        self.received = b""
        self.closed = ""
        self.member = Member(
            self._write, host, local_user=local_user, fingerprint=lambda: fingerprint
        )

    def _write(self, data: bytes) -> None:
        self.received += data

    def say(self, *lines: str | bytes) -> list[str]:
        """Send lines; what this guest received since it was last looked at."""
        for line in lines:
            self.send(line)
        return self.read()

    def send(self, line: str | bytes) -> None:
        """Send a line."""
        raw = line.encode() if isinstance(line, str) else line
        self.hall.carry_out(self.hall.room.receive(self.member, raw, self.hall.now))

    def read(self) -> list[str]:
        """What came since last time."""
        text, self.received = self.received.decode(), b""
        assert not text or text.endswith("\r\n")
        return text.split("\r\n")[:-1]

    def codes(self, *lines: str) -> list[str]:
        """The commands of what comes back."""
        answers = self.say(*lines)
        return [(each.split(" ")[1:] if each[0] in ":@" else [each])[0] for each in answers]


class Hall:
    """A room at noon; time goes on only when a test says so."""

    def __init__(self, **settings: Any) -> None:
        self.now = NOON
        self.room = Room(Settings("irc.test", **settings), NOON, "id")
        self._guests: dict[Member, Guest] = {}

    def connect(
        self, host: str = "192.0.2.1", local_user: str = "", fingerprint: str = ""
    ) -> Guest:
        """Somebody who has said nothing yet."""
        guest = Guest(self, host, local_user, fingerprint)
        self._guests[guest.member] = guest
        self.room.enter(guest.member)
        return guest

    def join(self, nick: str, *caps: str, channel: str = "#room", **about: str) -> Guest:
        """Somebody registered, in a channel where one is named, with nothing left unread."""
        guest = self.connect(**about)
        if caps:
            guest.say(f"CAP REQ :{' '.join(caps)}")
        guest.say(f"NICK {nick}", f"USER {nick} 0 * :{nick} real", "CAP END")
        if channel:
            guest.say(f"JOIN {channel}")
        for each in self._guests.values():
            each.read()
        return guest

    def leave(self, guest: Guest, reason: str) -> None:
        """The connection of a guest is gone."""
        self.carry_out(self.room.leave(guest.member, reason, self.now))

    def carry_out(self, effects: Iterable[Effect]) -> None:
        """Do to the guests what the room asks for."""
        for effect in effects:
            match effect:
                case Send(members, data):
                    for member in members:
                        member.write(data)
                case Broadcast():
                    _broadcast(effect)
                case Close(member, reason):
                    self._guests[member].closed = reason
                case Verify(member, password, stored):
                    right = matches(password, stored)
                    self.carry_out(self.room.verified(member, self.now, right=right))
                case _:
                    pass


def _broadcast(line: Broadcast) -> None:
    for tag_caps, members in line.audience.items():
        for member in members:
            if member is not line.skip:
                member.write(line.bytes_for(tag_caps))

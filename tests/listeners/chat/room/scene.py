"""Plays the scenes of tests/cases/chat: each client's lines, and all lines that clients get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netd.listeners.chat.room.settings import Account, RegistrationSettings, RoomLimits
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest

CASES = Path(__file__).parents[3] / "cases" / "chat"
_SETTINGS = {
    "motd": ("Welcome.", "Be kind."),
    "admin": ("Ann", "Example Org", "ann@example.org"),
    "opers": {"root": "toor"},
    "accounts": {"anna": Account("Anna", "sesame"), "carla": Account("carla", "sesame")},
    "limits": RoomLimits(
        list_entries=3,
        channels_per_member=3,
        clients_per_account=3,
        away_chars=10,
        topic_chars=20,
    ),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene: its title, and its steps with the expected result of each step."""

    title: str
    lines: tuple[str, ...]


def scenes() -> Iterator[Scene]:
    """All scenes of all files."""
    for path in sorted(CASES.glob("*.txt")):
        for part in path.read_text().split("\n== ")[1:]:
            title, *lines = part.splitlines()
            yield Scene(f"{path.stem}: {title}", tuple(line for line in lines if line.strip()))


def play(scene: Scene, make: Callable[..., RoomUnderTest] = RoomUnderTest) -> list[str]:
    """Play the steps of a scene; return them with their real results, in the scene's form.

    `make` makes the room of its settings.
    """
    player = _Player(make(**_SETTINGS))
    played: list[str] = []
    for line in scene.lines:
        if line.split(" ")[0].endswith("<"):
            continue
        played.append(line)
        played += player.step(line)
    return played


class _Player:
    """A room and its clients by name."""

    def __init__(self, room: RoomUnderTest) -> None:
        self._room = room
        self._clients: dict[str, FakeClient] = {}

    def step(self, line: str) -> Iterator[str]:  # noqa: C901 (one case for each kind of step)
        """Do one step; return all lines that clients get for it."""
        first, _, rest = line.partition(" ")
        match first:
            case "+":
                self._join(*rest.split())
            case "?":
                self._connect(*rest.split())
            case "!":
                name, _, reason = rest.partition(" ")
                self._room.suspend(self._clients.pop(name), reason)
            case "=":
                self._configure(rest)
            case "~":
                self._room.pass_time(float(rest))
            case _:
                self._clients[first.removesuffix(">")].send_line(rest.replace("\\x01", "\x01"))
        for name, client in self._clients.items():
            for received in client.read():
                yield f"{name}< {_shorten(received)}"
            if client.closed:
                yield f"{name}< (closed: {client.closed})"
                client.closed = ""

    def _configure(self, words: str) -> None:
        settings: dict[str, Any] = dict(word.split("=") for word in words.split())
        room = self._room.core
        if "registration" in settings:
            settings["registration"] = RegistrationSettings()
            room.state.accounts.load([])
        room.configure(replace(room.state.settings, **settings), self._room.now)

    def _connect(self, name: str, *facts: str) -> None:
        known = dict(fact.split("=") for fact in facts)
        user, fingerprint = known.get("user", ""), known.get("certificate", "")
        host = known.get("host", "192.0.2.1")
        self._clients[name] = self._room.connect(host, user, fingerprint)

    def _join(self, nick: str, *words: str) -> None:
        channel = next((word for word in words if word.startswith("#")), "")
        about = dict(word.split("=") for word in words if "=" in word)
        caps = [word for word in words if word != channel and "=" not in word]
        self._clients[nick] = self._room.join(nick, *caps, channel=channel, **about)


def _shorten(line: str) -> str:
    return line.removeprefix(":irc.test ").replace("@192.0.2.1", "@").replace("\x01", "\\x01")

"""Plays the scenes of tests/cases/chat: who sends what, and everything everybody then gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netd.listeners.chat.room.settings import Account, Limits
from tests.listeners.chat.room.hall import Guest, Hall

CASES = Path(__file__).parents[3] / "cases" / "chat"
_SETTINGS = {
    "motd": ("Welcome.", "Be kind."),
    "admin": ("Ann", "Example Org", "ann@example.org"),
    "opers": {"root": "toor"},
    "accounts": {"anna": Account("Anna", "sesame")},
    "limits": Limits(list_entries=3, channels_per_member=3, away_chars=10, topic_chars=20),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene: its title, and its steps with what was expected of each."""

    title: str
    lines: tuple[str, ...]


def scenes() -> Iterator[Scene]:
    """Every scene of every file."""
    for path in sorted(CASES.glob("*.txt")):
        for part in path.read_text().split("\n== ")[1:]:
            title, *lines = part.splitlines()
            yield Scene(f"{path.stem}: {title}", tuple(each for each in lines if each.strip()))


def play(scene: Scene) -> list[str]:
    """The scene as it really goes, in the same form."""
    stage = Stage()
    played: list[str] = []
    for line in scene.lines:
        if line.split(" ")[0].endswith("<"):
            continue
        played.append(line)
        played += stage.step(line)
    return played


class Stage:
    """A hall and its guests by name."""

    def __init__(self) -> None:
        self._hall = Hall(**_SETTINGS)
        self._guests: dict[str, Guest] = {}

    def step(self, line: str) -> Iterator[str]:
        """Do what one line says; what everybody gets for it."""
        first, _, rest = line.partition(" ")
        match first:
            case "+":
                self._enter(*rest.split())
            case "?":
                self._guests[rest] = self._hall.connect()
            case "~":
                self._hall.now += float(rest)
            case _:
                self._guests[first.removesuffix(">")].send(rest.replace("\\x01", "\x01"))
        for name, guest in self._guests.items():
            for each in guest.read():
                yield f"{name}< {_shortened(each)}"
            if guest.closed:
                yield f"{name}< (closed: {guest.closed})"
                guest.closed = ""

    def _enter(self, nick: str, *where: str) -> None:
        channel = next((each for each in where if each.startswith("#")), "")
        caps = [each for each in where if each != channel]
        self._guests[nick] = self._hall.join(nick, *caps, channel=channel)


def _shortened(line: str) -> str:
    return line.removeprefix(":irc.test ").replace("@192.0.2.1", "@").replace("\x01", "\\x01")

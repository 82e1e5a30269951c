"""Recorded logs: `python -m tests.cluster.recording` plays scenes on two hosts, and writes theirs.

A file is of one level of the room's rules. It is never written again, as all later versions have to
come to the same rooms; `--digests` only computes its digests anew, after a change of their form.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from unittest import mock

from netd.listeners.chat.cluster.digest import FORM, digest
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry
from netd.listeners.chat.cluster.log_position import Position
from netd.listeners.chat.cluster.recovering_room import RecoveringRoom
from netd.listeners.chat.cluster.room_input import InputKind
from netd.listeners.chat.cluster.shared_commands import SHARED, SHARED_OF_SERVICE
from netd.listeners.chat.room.account_edits import AccountEdit, EditKind
from netd.listeners.chat.room.encoded_message import MessageIds
from netd.listeners.chat.room.level import LEVEL
from netd.listeners.chat.room.settings import (
    Account,
    RegistrationSettings,
    RoomLimits,
    RoomSettings,
)
from netd.protocols import password_work
from netd.protocols.scram_keys import derive_keys
from tests.cluster.replicated_room import ReplicatedRoomUnderTest, may_be_on_both
from tests.listeners.chat.room.room_under_test import NOON
from tests.listeners.chat.room.scene import Scene, play, scenes

CASES: Final = Path(__file__).parents[1] / "cases" / "cluster"
_PASSWORD: Final = "correct-horse"


@dataclass
class Recording:
    """The log of a room, and the digest of all states that the room comes to."""

    title: str
    settings: dict[str, Any]
    digest: str
    entries: list[LogEntry] = field(default_factory=list)
    end: str = ""
    """The digest of the last state, after `replay`."""

    def replay(self) -> str:
        """Apply the log on a host without members; returns the digest of its states."""
        room = RecoveringRoom(
            _settings(self.settings), NOON, "watcher", _ignore, _ignore, on_bug=_raise
        )
        room.state.ids = MessageIds("id")
        room.state.level = int(self.settings["level"])
        states = blake2b(digest_size=16)
        for entry in self.entries:
            for _ in room.apply(entry):
                pass
            self.end = digest(room.state)
            states.update(self.end.encode())
        assert not room.skipped, f"{self.title}: {room.skipped} inputs cannot be applied any more"
        return f"{FORM}:{states.hexdigest()}"


def _ignore(_: object) -> None:
    """Append nothing, and wait for nothing: the host has no clients."""


def _raise(error: Exception) -> None:
    raise error


def _settings(saved: dict[str, Any]) -> RoomSettings:
    return RoomSettings(
        "irc.test",
        limits=RoomLimits(**saved["limits"]),
        accounts={
            name.lower(): Account(name, password) for name, password in saved["accounts"].items()
        },
        opers=saved["opers"],
        registration=RegistrationSettings() if saved["has_registration"] else None,
    )


# The files: a line of JSON for the vocabulary, then one for each recording, and for each entry.


def vocabulary() -> dict[str, list[str]]:
    """The words of a log that this version knows."""
    return {
        "commands": sorted(SHARED | SHARED_OF_SERVICE),
        "inputs": sorted(kind.value.decode() for kind in InputKind),
        "entries": sorted(kind.value.decode() for kind in EntryKind),
    }


def load_vocabulary(path: Path) -> dict[str, list[str]]:
    """The words that a version knew when it recorded a file."""
    with path.open() as file:
        known: dict[str, list[str]] = json.loads(file.readline())
    return known


def load(path: Path) -> list[Recording]:
    """The recordings of a file."""
    recordings: list[Recording] = []
    for line in path.read_text().splitlines()[1:]:
        match json.loads(line):
            case {"title": title, "settings": settings, "digest": expected}:
                recordings.append(Recording(title, settings, expected))
            case [number, kind, node, incarnation, time_ms, first, *inputs]:
                recordings[-1].entries.append(
                    LogEntry(
                        Position(1, number),
                        EntryKind(kind.encode()),
                        node,
                        incarnation,
                        time_ms,
                        first,
                        tuple(text.encode("latin-1") for text in inputs),
                    )
                )
    return recordings


def save(path: Path, known: dict[str, list[str]], recordings: Iterable[Recording]) -> None:
    """Write a file."""
    path.parent.mkdir(exist_ok=True)
    rows = [json.dumps(known), *(row for one in recordings for row in _rows(one))]
    path.write_text("".join(f"{row}\n" for row in rows))


def _rows(recording: Recording) -> Iterator[str]:
    head = {
        "title": recording.title,
        "settings": recording.settings,
        "digest": recording.digest,
    }
    yield json.dumps(head)
    for entry in recording.entries:
        facts = [entry.position.number, entry.kind.value.decode(), entry.node, entry.incarnation]
        inputs = [data.decode("latin-1") for data in entry.inputs]
        yield json.dumps([*facts, entry.time_ms, entry.first, *inputs])


# What is recorded.

_SETTINGS: Final[dict[str, Any]] = {
    "level": LEVEL,
    "limits": {
        "list_entries": 3,
        "channels_per_member": 3,
        "clients_per_account": 3,
        "away_chars": 10,
        "topic_chars": 20,
    },
    "accounts": {"Anna": "sesame", "carla": "sesame"},
    "opers": {"root": "toor"},
    "has_registration": False,
}


def record() -> Iterator[Recording]:
    """The logs of all scenes whose settings do not change, and of what only several hosts do."""
    for scene in scenes():
        if not any(line.startswith("= ") for line in scene.lines):
            act, on_both = partial(_play_scene, scene), may_be_on_both(scene)
            yield _record(scene.title, _SETTINGS, act, on_both=on_both)
    yield _record("hosts leave and return", _SETTINGS, _leave_and_return)
    yield _record("accounts", {**_SETTINGS, "has_registration": True}, _use_accounts)


def _record(
    title: str,
    settings: dict[str, Any],
    act: Callable[[ReplicatedRoomUnderTest], object],
    *,
    on_both: bool = True,
) -> Recording:
    made = _settings(settings)
    room = ReplicatedRoomUnderTest(
        on_both=on_both,
        **{name: getattr(made, name) for name in ("limits", "accounts", "opers", "registration")},
    )
    act(room)
    room.check_equal()
    hosts = room.hosts
    recording = Recording(title, settings, "", hosts.entries)
    recording.digest = recording.replay()
    assert recording.end in ("", digest(hosts.rooms["one"].state)), f"{title}: not the same room"
    return recording


def _play_scene(scene: Scene, room: ReplicatedRoomUnderTest) -> None:
    play(scene, lambda **_: room)


def _leave_and_return(room: ReplicatedRoomUnderTest) -> None:
    alice, bob, bert = room.join("alice"), room.join("bob"), room.join("bert")
    bob.send("JOIN #own", "MODE #own +ik secret", "TOPIC #own :ours", "AWAY :at lunch")
    bert.send("JOIN #theirs", "MODE #theirs +b *!*@spam.example", "PRIVMSG #theirs :hello")
    alice.send("MODE #room +o bob", "NICK ally")
    room.lose("two")
    room.now += 1
    alice.send("NICK bob", "PRIVMSG #room :meanwhile", "JOIN #theirs", "MODE #theirs +m")
    room.settle("two")
    bob.send("PRIVMSG #room :back", "MODE #own -i")
    room.lose("one")
    room.settle("one")
    room.hosts.rooms["one"].publish_settings()
    room.hosts.rooms["two"].request_check()
    room.leave(bert, "gone")


def _use_accounts(room: ReplicatedRoomUnderTest) -> None:
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    for client, name in ((alice, "alice"), (bob, "bob"), (carol, "carol")):
        client.send(f"REGISTER {name} * :{_PASSWORD}")
    alice.send(
        "NS SET ALWAYS-ON ON", "JOIN #own", "MARKREAD #room timestamp=2023-11-15T12:00:00.000Z"
    )
    room.leave(alice, "gone")
    bob.send("PRIVMSG alice :while you were out", "NS SET MULTICLIENT OFF")
    carol.send(f"NS DROP carol {_PASSWORD}")
    edit = AccountEdit(EditKind.SUSPEND, "bob", "spam")
    room.apply(room.hosts.rooms["two"].edit_accounts([edit], room.now))


def main() -> None:
    """Write the file of the present level, or the digests of all files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digests", action="store_true", help="compute all digests anew")
    if parser.parse_args().digests:
        for path in CASES.glob("*.jsonl"):
            recordings = load(path)
            for recording in recordings:
                recording.digest = recording.replay()
            save(path, load_vocabulary(path), recordings)
        return
    path = CASES / f"level_{LEVEL}.jsonl"
    if path.exists():
        parser.error(f"{path} exists, and versions in use have to come to its rooms: raise LEVEL")
    with ExitStack() as stack:
        few = partial(derive_keys, iterations=4096)
        stack.enter_context(mock.patch.object(password_work, "derive_keys", few))
        save(path, vocabulary(), record())


if __name__ == "__main__":
    main()

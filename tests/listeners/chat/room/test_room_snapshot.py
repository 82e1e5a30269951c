"""A snapshot has what the whole saved room has, whatever has changed since the last one."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netd.listeners.chat.room import room_snapshot
from netd.listeners.chat.room.room_snapshot import RoomSnapshot
from netd.listeners.chat.room.saved_room import load_room, save_room
from netd.listeners.chat.room.state import RoomState
from tests.listeners.chat.room.test_saved_room import LINES, scene

STEPS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 4), LINES),
        st.tuples(st.integers(0, 4), LINES),
        st.tuples(st.just(5), st.sampled_from([b"refresh", b"refresh", b"write"])),
    ),
    max_size=60,
)


def plain(room: RoomState) -> dict[str, Any]:
    """A saved room in a form in which numbers and templates do not matter."""
    saved: dict[str, Any] = json.loads(json.dumps(save_room(room)))
    return comparable(saved)


def comparable(saved: dict[str, Any]) -> dict[str, Any]:
    nicks = [
        member["nick"] if member is not None and member.get("state") == "REGISTERED" else None
        for member in saved["members"]
    ]
    return {
        **{key: saved[key] for key in ("created", "cloak_key", "ids", "offers", "server_bans")},
        **{key: saved[key] for key in ("whowas", "read_markers")},
        "nicks": [nicks[number] for number in saved["nicks"] if nicks[number] is not None],
        "members": {member.get("nick"): _facts(member) for member in saved["members"] if member},
        "ghosts": [[nicks[number], ghost] for number, ghost in saved["ghosts"]],
        "restored": saved["restored"],
        "channels": [_channel(channel, nicks) for channel in saved["channels"]],
        "private_histories": {
            account: [[folded, nick, _messages(log)] for folded, nick, log in logs]
            for account, logs in saved["private_histories"].items()
        },
    }


def _facts(member: dict[str, Any]) -> dict[str, Any] | None:
    if member.get("state") != "REGISTERED":
        return None
    ignored = ("idle_since", "work", "registration", "sasl", "password_check")
    facts = {key: value for key, value in member.items() if key not in ignored}
    facts["clients"] = [
        {key: value for key, value in client.items() if key not in ignored}
        for client in member["clients"]
    ]
    return facts


def _channel(channel: dict[str, Any], nicks: list[str | None]) -> dict[str, Any]:
    return {
        **channel,
        "members": [[nicks[number], status] for number, status in channel["members"]],
        "invited": sorted(str(nicks[number]) for number in channel["invited"]),
        "history": _messages(channel["history"]),
    }


def _messages(history: dict[str, Any]) -> list[Any]:
    return [
        [history["templates"][row[0]], *row[1:]] if isinstance(row[0], int) else row
        for row in history["entries"]
    ]


def _registered(facts: dict[str, Any]) -> dict[str, Any]:
    return {**facts, "members": {nick: about for nick, about in facts["members"].items() if about}}


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_a_snapshot_is_the_room(steps: list[tuple[int, bytes]]) -> None:
    played = scene()
    room = played.room.state
    snapshot = RoomSnapshot(room)
    refresh = snapshot.refresh()
    for number, line in [*steps, (5, b"write")]:
        if line == b"refresh":
            next(refresh, None)
        elif line == b"write":
            saved = json.loads(b"".join(snapshot.write()))
            assert _registered(comparable(saved)) == _registered(plain(room))
            load_room(saved, room.settings, 0.0)
            refresh = snapshot.refresh()
        else:
            played.play(number, line)


def test_an_unchanged_room_has_the_same_text() -> None:
    played = scene()
    snapshot = RoomSnapshot(played.room.state)
    list(snapshot.refresh())
    before = snapshot.write()
    list(snapshot.refresh())
    assert snapshot.write() == before
    played.play(0, b"PRIVMSG #room :changed")
    assert snapshot.write() != before


def _note(noted: list[object], key_of: Callable[[Any], object], part: Any) -> object:
    noted.append(part)
    return key_of(part)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The members and channels that snapshots compare."""
    noted: list[object] = []
    for name in ("_key_of_channel", "_key_of_member"):
        key_of = partial(_note, noted, getattr(room_snapshot, name))
        monkeypatch.setattr(room_snapshot, name, key_of)
    return noted


def test_a_text_of_one_moment_compares_only_what_commands_have_found(
    compared: list[object],
) -> None:
    played = scene()
    played.play(0, b"JOIN #other")
    snapshot = RoomSnapshot(played.room.state)
    list(snapshot.refresh())
    compared.clear()
    snapshot.write()
    assert compared == []
    played.play(0, b"TOPIC #other :new")
    snapshot.write()
    found = played.room.state.find_channel("#other")
    assert found is not None
    assert compared == [*found.members, found]


def test_channels_that_are_made_during_a_refresh_are_compared_before_its_end(
    monkeypatch: pytest.MonkeyPatch, compared: list[object]
) -> None:
    monkeypatch.setattr(room_snapshot, "_FEW", 0)
    played = scene()
    snapshot = RoomSnapshot(played.room.state)
    for step, _ in enumerate(snapshot.refresh()):
        if step < 20:
            played.play(0, f"JOIN #new{step}".encode())
    assert len(played.room.state.channels) >= 20
    compared.clear()
    snapshot.write()
    assert compared == []

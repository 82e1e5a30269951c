"""The persistent channel of a room, without a worker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from netd.config.schema import read_options
from netd.listeners.chat.credentials_file import CredentialsFiles
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.persistent_channel import PersistentChannel
from netd.listeners.chat.room.channel import Channel, Topic
from netd.listeners.chat.room.effect import SaveChannel
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room_settings import settings_of
from netd.listeners.chat.sqlite_store import SqliteStore
from tests.support import wait_until


def options(path: Path) -> ChatOptions:
    return read_options(
        ChatOptions, {"kind": "chat", "address": "tcp://127.0.0.1:0", "history_file": str(path)}
    )


def new_room(options: ChatOptions) -> Room:
    return Room(settings_of(options, CredentialsFiles(options)), 0.0, "test-")


def lounge(room: Room) -> Channel:
    channel = room.state.find_channel("#lounge")
    assert channel is not None
    return channel


def test_a_new_room_gets_the_saved_topic(tmp_path: Path) -> None:
    kept = options(tmp_path / "chat.db")
    room = new_room(kept)
    persistent = PersistentChannel(kept, room)
    lounge(room).topic = Topic("saved", "alice", 1.0)
    persistent.save(SaveChannel(lounge(room)))
    persistent.close()
    later = new_room(kept)
    PersistentChannel(kept, later).close()
    assert lounge(later).topic == Topic("saved", "alice", 1.0)


def test_without_a_file_nothing_is_kept() -> None:
    none = replace(options(Path("/unused")), history_file="")
    room = new_room(none)
    persistent = PersistentChannel(none, room)
    persistent.save(SaveChannel(lounge(room)))
    persistent.close()
    assert persistent.lost == 0


def test_a_file_that_cannot_be_understood_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(str(tmp_path / "chat.db"), 10)
    store.set_state("#lounge", "garbage")
    store.close()
    kept = options(tmp_path / "chat.db")
    room = new_room(kept)
    PersistentChannel(kept, room).close()
    assert lounge(room).topic is None
    assert "chat.db: " in caplog.text


def test_lost_writes_stay_counted_after_a_change_of_the_file(tmp_path: Path) -> None:
    broken = options(tmp_path / "missing" / "chat.db")
    room = new_room(broken)
    persistent = PersistentChannel(broken, room)
    persistent.save(SaveChannel(lounge(room)))
    wait_until(lambda: persistent.lost == 1, "the write to fail")
    persistent.reconfigure(options(tmp_path / "chat.db"), room)
    assert persistent.lost == 1
    persistent.close()

"""The store channel of a room, without a worker."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from netd.config.schema import read_options
from netd.listeners.chat.channel_store import SAVE_DELAY_S, ChannelStore
from netd.listeners.chat.check import check
from netd.listeners.chat.credentials_file import CredentialsFiles
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.channel import Channel, Topic
from netd.listeners.chat.room.effect import Record, SaveChannel
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.stored_limits import Limits
from netd.listeners.chat.room.stored_state import SetChannelState
from netd.listeners.chat.room_settings import settings_of
from netd.listeners.chat.storage.database import Database
from netd.protocols.irc import Message
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.support import wait_until


@pytest.fixture
def loop() -> Iterator[Loop]:
    with closing(Loop(EpollPoller())) as made:
        yield made


def options(path: Path) -> ChatOptions:
    return read_options(
        ChatOptions, {"kind": "chat", "address": "tcp://127.0.0.1:0", "history_file": str(path)}
    )


def new_room(options: ChatOptions) -> Room:
    return Room(settings_of(options, CredentialsFiles(options)), 0.0, "test-")


def opened(loop: Loop, options: ChatOptions, room: Room) -> ChannelStore:
    store = ChannelStore(loop, options, room)
    store.open(restore=True)
    return store


def lounge(room: Room) -> Channel:
    channel = room.state.find_channel("#lounge")
    assert channel is not None
    return channel


def test_a_new_room_gets_the_saved_topic(tmp_path: Path, loop: Loop) -> None:
    kept = options(tmp_path / "chat.db")
    room = new_room(kept)
    store = opened(loop, kept, room)
    lounge(room).topic = Topic("saved", "alice", 1.0)
    store.save(SaveChannel(lounge(room)))
    store.close()
    later = new_room(kept)
    opened(loop, kept, later).close()
    assert lounge(later).topic == Topic("saved", "alice", 1.0)


def test_without_a_file_nothing_is_kept(loop: Loop) -> None:
    none = replace(options(Path("/unused")), history_file="")
    room = new_room(none)
    store = opened(loop, none, room)
    store.save(SaveChannel(lounge(room)))
    store.close()
    assert store.lost == 0


def test_a_file_that_cannot_be_understood_is_logged(
    tmp_path: Path, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(loop, str(tmp_path / "chat.db"), Limits())
    database.start()
    database.write(SetChannelState("#lounge", "garbage"))
    database.close()
    kept = options(tmp_path / "chat.db")
    room = new_room(kept)
    opened(loop, kept, room).close()
    assert lounge(room).topic is None
    assert "chat.db: " in caplog.text


def test_lost_writes_stay_counted_after_a_change_of_the_file(tmp_path: Path, loop: Loop) -> None:
    broken = options(tmp_path / "newer.db")
    with closing(sqlite3.connect(broken.history_file)) as database:
        database.execute("PRAGMA user_version = 1000")
    room = new_room(broken)
    store = opened(loop, broken, room)
    store.save(SaveChannel(lounge(room)))
    loop.call_later(SAVE_DELAY_S, loop.stop)
    loop.run()
    wait_until(lambda: store.lost, "the write to fail")
    lost = store.lost
    store.reconfigure(options(tmp_path / "chat.db"))
    assert store.lost == lost
    store.close()


def test_without_history_file_systemds_directory_keeps_states_and_no_messages(
    tmp_path: Path, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/unused")
    kept = replace(options(Path("/unused")), history_file="")
    room = new_room(kept)
    store = opened(loop, kept, room)
    lounge(room).topic = Topic("saved", "alice", 1.0)
    store.save(SaveChannel(lounge(room)))
    store.save(Record(lounge(room), Message("PRIVMSG", ("#lounge", "a secret"))))
    store.close()
    (file,) = tmp_path.glob("*.db*")
    assert file.name == "chat-tcp-127.0.0.1-0.db"
    assert b"a secret" not in file.read_bytes()
    later = new_room(kept)
    opened(loop, kept, later).close()
    assert lounge(later).topic == Topic("saved", "alice", 1.0)


def test_check_warns_of_a_file_that_another_address_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    kept = replace(options(Path("/unused")), history_file="")
    assert check(kept) == ()
    (tmp_path / "chat-tcp-127.0.0.1-6667.db").touch()
    [warning] = check(kept)
    assert str(warning) == (
        "history_file: warning: chat-tcp-127.0.0.1-0.db begins empty; if this listener had another "
        f'address, write "{tmp_path}/chat-tcp-127.0.0.1-6667.db"'
    )
    (tmp_path / "chat-tcp-127.0.0.1-0.db").touch()
    assert check(kept) == ()


def test_check_warns_of_a_damaged_file_and_leaves_it(tmp_path: Path, loop: Loop) -> None:
    kept = options(tmp_path / "chat.db")
    assert not check(kept)
    opened(loop, kept, new_room(kept)).close()
    assert not check(kept)
    (tmp_path / "chat.db").write_bytes(b"something else" * 1000)
    (problem,) = check(kept)
    assert problem.is_warning
    assert "it will be moved aside" in problem.message
    assert (tmp_path / "chat.db").read_bytes() == b"something else" * 1000

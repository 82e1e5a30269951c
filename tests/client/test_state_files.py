from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path

import pytest

from netd.client import state_files
from netd.client.chat_log import ChatLog
from netd.client.core.chat_events import ChatEvent, ChatMessage, EarlierMessages, Notice
from netd.client.core.client_state import ClientState, Identity
from netd.client.core.conversations import Conversation, ConversationKind
from netd.client.core.desk import Desk, Placed
from netd.client.core.word_wrap import columns
from netd.client.state_files import SavedConversations, StateFiles, file_name

NOW = dt.datetime(2030, 1, 2, 12, 30, 5, tzinfo=dt.UTC)


@pytest.fixture
def files(tmp_path: Path) -> StateFiles:
    return StateFiles({"XDG_STATE_HOME": str(tmp_path)}, "irc.example.net:6697")


def desk() -> Desk:
    return Desk(ClientState(Identity("bob")), columns)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_typed_lines_are_kept_for_the_user_alone(files: StateFiles, tmp_path: Path) -> None:
    for line in ("one", "two\nlines", "drei ü"):
        files.keep_typed_line(line)
    assert files.typed_lines() == ["one", "two\nlines", "drei ü"]
    kept = tmp_path / "netd" / "chat" / "input-history"
    assert (mode(kept), mode(kept.parent)) == (0o600, 0o700)


def test_old_typed_lines_are_forgotten(files: StateFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_files, "MAX_HISTORY_LINES", 3)
    for number in range(8):
        files.keep_typed_line(str(number))
    files.trim_typed_lines()
    assert files.typed_lines() == ["5", "6", "7"]


def test_conversations_are_kept(files: StateFiles) -> None:
    saved = SavedConversations(["alice"], {"#lounge": "2030-01-01T10:00:00.000Z"})
    files.keep_conversations(saved)
    assert files.conversations() == saved


def test_a_linked_file_stays_a_link(files: StateFiles, tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    files.keep_conversations(SavedConversations())
    (linked,) = (tmp_path / "netd" / "chat").glob("*.json")
    linked.unlink()
    linked.symlink_to(tmp_path / "kept")
    files.keep_conversations(SavedConversations(["amy"], {}))
    assert linked.is_symlink()
    assert files.conversations() == SavedConversations(["amy"], {})


@pytest.mark.parametrize("content", ["", "{", "[]", '{"private": 1, "read_until": [2]}', "\0"])
def test_a_damaged_file_is_ignored(files: StateFiles, tmp_path: Path, content: str) -> None:
    files.keep_conversations(SavedConversations(["alice"]))
    (path,) = (tmp_path / "netd" / "chat").iterdir()
    path.write_text(content)
    assert files.conversations() == SavedConversations()


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "netd").write_text("a file")
    files = StateFiles({"XDG_STATE_HOME": str(tmp_path)}, "server")
    files.keep_typed_line("x")
    files.keep_conversations(SavedConversations())
    assert (files.typed_lines(), files.conversations()) == ([], SavedConversations())


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("#lounge", "#lounge"),
        ("../../etc/passwd", "%2e.%2f..%2fetc%2fpasswd"),
        ("", "server"),
        ("a\0b", "a%00b"),
    ],
)
def test_a_name_from_the_network_stays_in_the_directory(name: str, safe: str) -> None:
    assert file_name(name) == safe
    assert len(file_name("ü" * 500).encode()) <= 200


def test_the_log_has_the_whole_time_and_one_line_for_each_message(tmp_path: Path) -> None:
    log = ChatLog(str(tmp_path), "irc.example.net")
    channel = Conversation("#Lounge", ConversationKind.CHANNEL)
    said = ChatMessage("al", "#lounge", "hi\nthere \x1b[2J", time="2030-01-02T09:05:00Z")
    log.append([Placed(channel, said), Placed(channel, said)], NOW, desk())
    path = tmp_path / "logs" / "irc.example.net" / "#lounge.log"
    assert path.read_text().splitlines()[:2] == [
        "2030-01-02 09:05:00 <al> hi",
        "      there ␛[2J",
    ]
    assert mode(path) == 0o600


def test_a_later_run_writes_only_what_the_log_does_not_have(tmp_path: Path) -> None:
    channel = Conversation("#lounge", ConversationKind.CHANNEL)
    said = ChatMessage("al", "#lounge", "hi", time="2030-01-02T09:05:00Z")
    ChatLog(str(tmp_path), "srv").append([Placed(channel, said)], NOW, desk())
    path = tmp_path / "logs" / "srv" / "#lounge.log"
    written_at = dt.datetime(2030, 1, 2, 9, 5, tzinfo=dt.UTC).timestamp()
    os.utime(path, (written_at, written_at))
    missed = replace(said, text="still there?", time="2030-01-02T09:06:00Z", old=True)
    history: list[ChatEvent] = [
        EarlierMessages("2 earlier messages"),
        replace(said, old=True),
        missed,
    ]
    placed = [Placed(channel, event) for event in [Notice("welcome"), *history]]
    ChatLog(str(tmp_path), "srv").append(placed, NOW, desk())
    texts = [line[20:] for line in path.read_text().splitlines()]
    assert texts == ["<al> hi", "-- welcome", "<al> still there?"]

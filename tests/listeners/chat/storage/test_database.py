"""The database of a chat listener, on a loop, with real files."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Protocol

import pytest

from netd.listeners.chat.room.storage import Query, QueryFailedError
from netd.listeners.chat.room.stored_limits import Limits
from netd.listeners.chat.room.stored_message import (
    AddMessage,
    Bound,
    ChannelView,
    SelectMessages,
)
from netd.listeners.chat.room.stored_state import ChannelStates, SetChannelState
from netd.listeners.chat.storage import checkpointer, reader
from netd.listeners.chat.storage.database import Database, load_changes, save_changes
from netd.listeners.chat.storage.schema import VERSION
from netd.listeners.chat.storage.trimming import STEP
from netd.protocols.irc import Message
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.support import PATIENCE_S, wait_until

GOLDEN = Path(__file__).parents[3] / "cases" / "chat" / "database"
NOON = 1_790_000_000_000


class Open(Protocol):
    def __call__(self, path: Path, **limits: Any) -> Opened: ...


class Opened:
    """A database with its loop."""

    def __init__(self, path: Path, **limits: Any) -> None:
        self.loop = Loop(EpollPoller())
        self.path = path
        self.database = Database(self.loop, str(path), Limits(**limits))
        self.database.start()

    def ask(self, query: Query[Any]) -> Any:
        """The result of a query, or the error."""
        results: list[Any] = []
        self.database.ask(query, results.append)
        overdue = self.loop.call_later(PATIENCE_S, self.loop.stop)
        while not results and self.loop.is_running:
            self.loop.turn()
        overdue.cancel()
        return results[0]

    def add(self, *numbers: int, log: str = "#a", time: int = NOON) -> None:
        for number in numbers:
            self.database.write(said(number, log=log, time=time))

    def texts(self, log: str = "#a") -> list[str]:
        """The messages of a log."""
        found = self.ask(latest(log))
        assert isinstance(found, list), found
        return [message.params[-1] for message in found]

    def count(self, query: str) -> int:
        with closing(sqlite3.connect(self.path)) as database:
            found: int = database.execute(query).fetchone()[0]
        return found

    def close(self) -> None:
        self.database.close()
        self.loop.close()


def latest(log: str = "#a", **about: Any) -> SelectMessages:
    return SelectMessages(view(log, **about), None, None, 1_000_000, False, True)


def view(
    log: str = "#a", *, since: int = 1 << 62, begin: int = 0, account: str = ""
) -> ChannelView:
    return ChannelView(log, account, since, begin)


def said(number: int, *, log: str = "#a", time: int = NOON) -> AddMessage:
    text = f"line {number}"
    return AddMessage(
        log, number, time + number, True, "PRIVMSG", "a!a@h", log, text, f"x-{number:x}"
    )


@pytest.fixture
def opened() -> Iterator[Open]:
    made: list[Opened] = []

    def make(path: Path, **limits: Any) -> Opened:
        made.append(Opened(path, **limits))
        return made[-1]

    yield make
    for database in made:
        database.close()


def test_a_query_has_all_earlier_changes(opened: Open, tmp_path: Path) -> None:
    database = opened(tmp_path / "db")
    for number in range(1, 4):
        database.add(number)
        assert len(database.texts()) == number
    database.database.write(SetChannelState("#a", "{}"))
    assert database.ask(ChannelStates()) == {"#a": "{}"}
    database.database.write(SetChannelState("#a", ""))
    assert database.ask(ChannelStates()) == {}


def test_a_message_is_read_as_it_was(opened: Open, tmp_path: Path) -> None:
    tags = {"time": "2026-09-21T14:13:20.250Z", "msgid": "18d5b4b2a6c00000-1a", "+x": "ü;"}
    for message in (
        Message("PRIVMSG", ("#A", "grüße \x02: ']\"}"), "ann!ann@host", tags),
        Message("TOPIC", ("#A", ""), "ann!ann@host", {**tags, "msgid": "18d5b4b2a6c00000-1b"}),
        Message("TAGMSG", ("#A",), "ann!ann@host", {**tags, "msgid": "18d5b4b2a6c00000-1c"}),
    ):
        database = opened(tmp_path / message.command)
        database.database.write(AddMessage.of("#a", message, is_open=True))
        assert database.ask(latest()) == [message]


def test_a_message_that_is_written_twice_is_kept_once(opened: Open, tmp_path: Path) -> None:
    database = opened(tmp_path / "db")
    database.add(1, 2, 1)
    database.add(2, 3)
    assert database.texts() == ["line 1", "line 2", "line 3"]
    assert database.count("SELECT lines FROM log") == 3
    assert (
        database.count("SELECT count(*) FROM message_words WHERE message_words MATCH 'line'") == 3
    )


def test_the_file_is_bounded_by_lines_of_a_log(opened: Open, tmp_path: Path) -> None:
    database = opened(tmp_path / "db", lines=10)
    database.add(*range(1, 2 * STEP + 20), log="#a")
    database.add(*range(1000, 1005), log="#b")
    wait_until(lambda: len(database.texts("#a")) == 10, "the messages to be removed")
    assert database.texts("#a")[-1] == f"line {2 * STEP + 19}"
    assert len(database.texts("#b")) == 5
    assert (
        database.count("SELECT count(*) FROM message_words WHERE message_words MATCH 'line'") == 15
    )


def test_the_file_is_bounded_by_age(opened: Open, tmp_path: Path) -> None:
    database = opened(tmp_path / "db", age_s=3600)
    database.add(*range(1, STEP + 20), log="#old")
    database.add(*range(STEP + 20, STEP + 25), log="#new", time=1 << 43)
    wait_until(lambda: not database.texts("#old"), "the messages to be removed")
    assert len(database.texts("#new")) == 5
    assert database.count("SELECT count(*) FROM log") == 1


def test_the_file_is_bounded_by_size(opened: Open, tmp_path: Path) -> None:
    database = opened(tmp_path / "db", bytes=200_000)
    for number in range(1, 3000):
        database.add(number)
    size = (
        "SELECT (page_count - freelist_count) * 4096 FROM pragma_page_count, pragma_freelist_count"
    )
    wait_until(lambda: database.count(size) <= 200_000, "the messages to be removed")
    assert "line 2999" in database.texts()
    assert "line 1" not in database.texts()


def test_changes_that_were_not_written_can_be_saved() -> None:
    changes = [said(1), SetChannelState("#a", "{}")]
    assert load_changes(save_changes(changes)) == changes
    assert load_changes([["OfALaterVersion", {}]]) == []


def test_the_file_of_an_earlier_netd_is_taken_over(opened: Open, tmp_path: Path) -> None:
    """`0.db` was written by netd before its database had a version."""
    shutil.copy(GOLDEN / "0.db", tmp_path / "db")
    database = opened(tmp_path / "db")
    messages = database.ask(latest("#lounge"))
    assert [message.params[-1] for message in messages] == [
        *("first line", "grüße; with a tag", "a notice", "\x01ACTION waves\x01", "#lounge")
    ]
    assert messages[1].tags == {
        "time": "2026-09-21T14:13:35.250Z",
        "msgid": "18d5b4b2a6c00000-2",
        "+draft/reply": "abc",
    }
    assert messages[4].command == "TAGMSG"
    assert [*database.ask(ChannelStates())] == ["#club"]
    assert database.count("PRAGMA user_version") == VERSION
    assert (
        database.count("SELECT count(*) FROM message_words WHERE message_words MATCH 'grusse'") == 0
    )
    assert (
        database.count("SELECT count(*) FROM message_words WHERE message_words MATCH 'gruße'") == 1
    )


def test_the_file_of_a_later_netd_is_not_touched(opened: Open, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "db")) as later:
        later.execute("CREATE TABLE unknown (column)")
        later.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = (tmp_path / "db").read_bytes()
    database = opened(tmp_path / "db")
    database.add(1)
    wait_until(lambda: database.database.lost == 1, "the loss")
    assert f"its version is {VERSION + 1}" in database.database.failure
    assert database.database.load(ChannelStates()) is None
    database.close()
    assert (tmp_path / "db").read_bytes() == before


def test_a_query_fails_in_time_if_the_file_is_locked(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "TIMEOUT_S", PATIENCE_S)
    database = opened(tmp_path / "db")
    database.add(1)
    assert database.texts() == ["line 1"]
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert database.texts() == ["line 1"]
        database.add(2)
        monkeypatch.setattr(reader, "TIMEOUT_S", 0.2)
        assert isinstance(database.ask(latest()), QueryFailedError)
        assert database.database.failed_queries == 1
        other.execute("ROLLBACK")
    monkeypatch.setattr(reader, "TIMEOUT_S", PATIENCE_S)
    wait_until(lambda: not database.database.failure, "the end of the lock")
    assert database.texts() == ["line 1", "line 2"]


def test_a_query_waits_only_for_changes_that_it_depends_on(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "TIMEOUT_S", PATIENCE_S)
    database = opened(tmp_path / "db")
    database.add(1, 2)
    assert database.texts() == ["line 1", "line 2"]
    before_2 = SelectMessages(view(), None, Bound(2), 10, False, True)
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # nothing can be written
        database.add(3)
        database.database.write(SetChannelState("#a", "{}"))
        assert [message.params[-1] for message in database.ask(before_2)] == ["line 1"]
        assert database.texts("#b") == []
        other.execute("ROLLBACK")


def test_a_row_that_netd_has_not_written_fails_its_query_alone(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = opened(tmp_path / "db")
    database.add(1)
    assert database.texts() == ["line 1"]
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as other:
        other.execute("UPDATE message SET tags = '{'")
    assert isinstance(database.ask(latest()), QueryFailedError)
    assert "JSONDecodeError" in caplog.text
    assert database.texts("#b") == []


def test_a_value_that_the_file_does_not_take_is_lost_alone(opened: Open, tmp_path: Path) -> None:
    database = opened(tmp_path / "db")
    database.database.write(SetChannelState("#a", "\ud800"))
    wait_until(lambda: database.database.lost == 1, "the loss")
    database.add(1)
    assert database.texts() == ["line 1"]


def test_what_is_written_moves_from_the_log_into_the_file(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointer, "CHANGES", 1)
    database = opened(tmp_path / "a#%b")
    uri = f"file:{tmp_path}/a%23%25b?immutable=1"  # the file without its log

    def is_moved() -> bool:
        with closing(sqlite3.connect(uri, uri=True)) as file, suppress(sqlite3.Error):
            return bool(file.execute("SELECT 1 FROM message WHERE text = 'line 1'").fetchone())
        return False

    database.add(1)
    wait_until(is_moved, "the first file")
    (tmp_path / "a#%b").unlink()
    database.add(2)
    wait_until((tmp_path / "a#%b").exists, "another file")
    database.add(1)
    wait_until(is_moved, "the second file")


def test_too_many_queries_fail_at_once(opened: Open, tmp_path: Path) -> None:
    database = opened(tmp_path / "db")
    results: list[object] = []
    on_result: Callable[[object], None] = results.append
    for _ in range(reader.MAX_WAITING * 3):
        database.database.ask(ChannelStates(), on_result)
    while len(results) < reader.MAX_WAITING * 3:
        database.loop.turn()
    assert any(isinstance(result, QueryFailedError) for result in results)
    assert results.count({}) >= reader.MAX_WAITING


def test_a_database_that_is_closed_fails_the_queries_that_wait(
    opened: Open, tmp_path: Path
) -> None:
    database = opened(tmp_path / "db")
    results: list[object] = []
    database.database.ask(ChannelStates(), results.append)
    wait_until(database.database.try_close, "the end of the threads")
    assert len(results) == 1
    assert isinstance(database.ask(ChannelStates()), QueryFailedError)

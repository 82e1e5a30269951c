from __future__ import annotations

from pathlib import Path

import pytest

from netd.errors import ConfigError, Problem
from netd.runtime.watched_files import WatchedFiles


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "greeting"
    path.write_text("hello")
    watched = WatchedFiles("greeting", [str(path)], path.read_text)
    assert watched.value == "hello"
    assert not watched.refresh()
    path.write_text("good morning")
    assert watched.refresh()
    assert watched.value == "good morning"


def test_without_files_nothing_changes() -> None:
    watched: WatchedFiles[dict[str, str]] = WatchedFiles("nothing", [], dict)
    assert not watched.refresh()
    assert watched.value == {}


def test_a_missing_file_is_an_error_at_first(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WatchedFiles("missing", [str(tmp_path / "missing")], str)


def test_a_fault_is_logged_once_and_the_value_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "greeting"
    path.write_text("hello")
    watched = WatchedFiles("greeting", [str(path)], path.read_text)
    path.unlink()
    assert not watched.refresh()
    assert not watched.refresh()
    [message] = caplog.messages
    assert "No such file or directory" in message
    assert watched.value == "hello"


def test_invalid_content_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "greeting"
    path.write_text("hello")

    def read() -> str:
        if not path.read_text():
            raise ConfigError((Problem("", "empty"),))
        return path.read_text()

    watched = WatchedFiles("greeting", [str(path)], read)
    path.write_text("")
    assert not watched.refresh()
    assert watched.value == "hello"
    assert "greeting: empty" in caplog.text


def test_content_that_is_not_utf_8_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "greeting"
    path.write_text("hello")
    watched = WatchedFiles("greeting", [str(path)], lambda: path.read_text("utf-8"))
    path.write_bytes(b"\xff")
    assert not watched.refresh()
    assert watched.value == "hello"
    assert "invalid start byte" in caplog.text

"""Checks of the files that the options name."""

from __future__ import annotations

from pathlib import Path

import pytest

from netd.config.schema import read_options
from netd.listeners.http import KIND
from tests.listeners.http.http_client import LOOPBACK, write


def test_check_reports_missing_files(tmp_path: Path) -> None:
    write(tmp_path / "file")
    routes = [
        {"path": "/a", "directory": str(tmp_path)},
        {"path": "/b", "directory": str(tmp_path / "none")},
        {"path": "/c", "directory": str(tmp_path / "file")},
        {"path": "/d", "directory": str(tmp_path), "fallback": "app", "error_pages": {404: "x"}},
    ]
    options = read_options(KIND.options, {"kind": "http", "address": LOOPBACK, "routes": routes})
    problems = KIND.check(options)
    assert [problem.key for problem in problems] == [
        *("routes.1.directory", "routes.2.directory"),
        *("routes.3.fallback", "routes.3.error_pages.404"),
    ]
    assert problems[0].message.startswith("there is no directory ")


def test_check_reports_that_websockets_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = [{"path": "/chat", "chat": "lounge"}]
    options = read_options(KIND.options, {"kind": "http", "address": LOOPBACK, "routes": routes})
    assert KIND.check(options) == ()
    monkeypatch.setitem(KIND.check.__globals__, "find_spec", lambda _name: None)
    [problem] = KIND.check(options)
    assert problem.key == "routes.0.chat"
    assert "pip install netd-suite[web]" in problem.message

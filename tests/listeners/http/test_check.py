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


def test_check_reports_a_route_that_never_responds() -> None:
    routes = [
        {"path": "/", "host": ["a.example", "b.example"], "text": "first"},
        {"path": "/", "host": "b.example", "text": "second"},
        {"path": "/", "host": "b.example", "match": "prefix", "text": "not the same"},
        {"path": "/", "text": "nor this"},
    ]
    options = read_options(KIND.options, {"kind": "http", "address": LOOPBACK, "routes": routes})
    [problem] = KIND.check(options)
    assert (problem.key, problem.is_warning) == ("routes.1.path", False)
    assert problem.message == "b.example/ is the path of routes.0 as well, which responds"


def test_check_warns_of_a_key_that_a_route_ignores() -> None:
    routes = [
        {"text": "", "listing": True, "gzip": True},
        {"path": "/x", "redirect": "/", "nick": "x"},
    ]
    options = read_options(KIND.options, {"kind": "http", "address": LOOPBACK, "routes": routes})
    problems = KIND.check(options)
    assert [(problem.key, problem.is_warning) for problem in problems] == [
        ("routes.0.listing", True),
        ("routes.0.gzip", True),
        ("routes.1.nick", True),
    ]
    assert problems[0].message == "is ignored; only a route with directory uses it"


def test_check_reports_that_websockets_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = [{"path": "/chat", "chat": "lounge"}]
    options = read_options(KIND.options, {"kind": "http", "address": LOOPBACK, "routes": routes})
    assert KIND.check(options) == ()
    monkeypatch.setitem(KIND.check.__globals__, "find_spec", lambda _name: None)
    [problem] = KIND.check(options)
    assert problem.key == "routes.0.chat"
    assert "-m pip install wsproto" in problem.message

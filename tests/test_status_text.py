from __future__ import annotations

import time
from typing import Any

import pytest

from netd.status_text import format_rates, format_size, format_status, format_table, format_uptime

STATUS: dict[str, Any] = {
    "version": "1.0",
    "pid": 10,
    "uptime_s": 3725.0,
    "state": "degraded",
    "last_reload": {"at": 0.0, "ok": False, "detail": "netd.toml:3: a: b\nnetd.toml:4: c: d"},
    "listeners": [
        {
            "name": "echo",
            "kind": "echo",
            "state": "degraded",
            "addresses": ["tcp://127.0.0.1:7"],
            "counters": {"connections": 2, "accepted": 3, "bytes_in": 2048},
            "workers": [
                {
                    "pid": None,
                    "state": "backoff",
                    "uptime_s": 0.5,
                    "restarts": 4,
                    "last_error": "killed by SIGKILL\nmore",
                }
            ],
        }
    ],
}


def test_status_shows_listeners_workers_and_the_refused_reload() -> None:
    text = format_status(STATUS)
    assert text.startswith("netd 1.0, pid 10, degraded, up 1h 2m\n")
    assert "refused, the configuration before it goes on\n  netd.toml:3: a: b\n  netd" in text
    assert "echo      echo  degraded  2    3      0        2.0 KiB  0 B  tcp://127.0.0.1:7" in text
    assert text.endswith("-       echo  backoff  -       4         killed by SIGKILL")


def test_the_status_has_the_end_of_a_certificate() -> None:
    """So that an administrator sees whether it is renewed."""
    listener = STATUS["listeners"][0]
    day = 86400
    for end_s, overdue_s, text, is_overdue in (
        (9 * day + 7200, 3600, "expires in 9d 2h", False),
        (9 * day + 7200, -3600, "expires in 9d 2h", True),
        (-60, -day, "has expired", True),
    ):
        now = round(time.time()) + 30
        moments = {"certificate_expiry": now + end_s, "certificate_renewal": now + overdue_s}
        shown = format_status({**STATUS, "listeners": [{**listener, "moments": moments}]})
        assert f"\n\ncertificate of echo: {text} (20" in shown
        assert ("), a renewal is overdue" in shown) == is_overdue


def test_status_without_a_reload_does_not_speak_of_one() -> None:
    assert "reload" not in format_status({**STATUS, "last_reload": None})


def test_a_successful_reload_reports_its_changes() -> None:
    outcome = {"at": 0.0, "ok": True, "detail": "added web"}
    assert ": added web\n" in format_status({**STATUS, "last_reload": outcome})


def test_rates_are_those_between_two_statuses() -> None:
    listener = STATUS["listeners"][0]
    counters = {"connections": 9, "accepted": 23, "bytes_in": 2048 + 4096, "lines": 4}
    new = {"name": "new", "counters": {"accepted": 5}}
    later = {**STATUS, "uptime_s": 3727.0, "listeners": [{**listener, "counters": counters}, new]}
    assert format_rates(STATUS, later).split("\n") == [
        "LISTENER  CONNECTIONS/S  REQUESTS OR LINES/S  REFUSED/S  IN/S     OUT/S",
        "echo      10             2                    0          2.0 KiB  0 B",
    ]
    assert not format_rates(STATUS, STATUS)


def test_table_columns_align_and_lines_end_clean() -> None:
    assert format_table([("A", "B"), ("long", ""), ("x", "y")]) == "A     B\nlong\nx     y"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4s"), (59, "59s"), (61, "1m 1s"), (86400 + 3600 * 2, "1d 2h")],
)
def test_uptime(seconds: float, text: str) -> None:
    assert format_uptime(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**40, "1.0 TiB"), (2**51, "2048.0 TiB")],
)
def test_size(count: int, text: str) -> None:
    assert format_size(count) == text

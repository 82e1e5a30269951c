"""Engines that could lose acknowledged lines are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from netd.listeners.chat.cluster.check import problems
from netd.listeners.chat.cluster.durability import ASKED, weaknesses
from netd.listeners.chat.cluster.options import ClusterOptions
from tests.cluster.conftest import StartRedis

SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory": "0"}


def test_a_safe_engine_has_no_weakness() -> None:
    assert not list(weaknesses(SAFE))


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"appendonly": "no"}, "set `appendonly yes`"),
        ({"appendfsync": "everysec"}, "set `appendfsync always`"),
        (
            {"maxmemory": "1000000", "maxmemory-policy": "allkeys-lru"},
            "set `maxmemory-policy noeviction`",
        ),
    ],
)
def test_a_weakness_is_reported_with_advice(change: dict[str, str], advice: str) -> None:
    [weakness] = weaknesses({**SAFE, **change})
    assert weakness.split("; ")[1].startswith(advice)


def test_a_real_engine_has_these_settings(start_redis: StartRedis) -> None:
    server = start_redis()
    settings = {}
    for name in ASKED:
        reply = server.call("CONFIG", "GET", name)
        assert isinstance(reply, list)
        settings[reply[0].decode()] = reply[1].decode()
    assert not list(weaknesses(settings))


def _check(engine: str, **options: str) -> list[str]:
    cluster = ClusterOptions(engine=(engine,), **options)  # type: ignore[arg-type]  # all are texts
    return [f"{p.key}: {p.message}" for p in problems(cluster)]


def test_a_check_reports_what_a_real_engine_would_lose(start_redis: StartRedis) -> None:
    server = start_redis()
    assert _check(str(server.address)) == []
    server.call("CONFIG", "SET", "appendfsync", "everysec")
    [warning] = _check(str(server.address))
    assert "set `appendfsync always`" in warning
    server.call("CONFIG", "SET", "appendfsync", "always")
    server.call("ACL", "SETUSER", "default", "-set")
    [warning] = _check(str(server.address))
    assert "set `user default off" in warning


def test_a_check_reports_an_engine_that_cannot_be_used(
    tmp_path: Path, start_redis: StartRedis
) -> None:
    [warning] = _check(f"unix://{tmp_path}/none")
    assert warning.endswith("cannot be used now: No such file or directory")
    [fault] = _check("redis://127.0.0.1", password_file="/does/not/exist")
    assert fault == "cluster.password_file: /does/not/exist: No such file or directory"
    server = start_redis("--requirepass", "secret")
    [warning] = _check(str(server.address))
    assert "NOAUTH" in warning
    password = tmp_path / "password"
    password.write_text("secret\n")
    assert _check(str(server.address), password_file=str(password)) == []

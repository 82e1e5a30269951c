"""Engines that could lose acknowledged lines are reported."""

from __future__ import annotations

import pytest

from netd.listeners.chat.cluster.durability import ASKED, weaknesses
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

"""A Redis server, and nodes of a room on one loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.engine_node import Turner
from tests.cluster.redis_server import RedisServer

StartRedis = Callable[..., RedisServer]


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[StartRedis]:
    """Start servers, which end with the test; the arguments are further options."""
    servers: list[RedisServer] = []

    def start(*words: str) -> RedisServer:
        servers.append(RedisServer(tmp_path / f"redis-{len(servers)}", *words))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def redis(start_redis: StartRedis) -> RedisServer:
    """A server that loses nothing that it has acknowledged."""
    return start_redis()


@pytest.fixture
def turner() -> Iterator[Turner]:
    """A loop for nodes."""
    turner = Turner()
    yield turner
    turner.close()

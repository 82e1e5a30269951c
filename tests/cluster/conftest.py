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

    def start(*words: str, program: str = "redis-server") -> RedisServer:
        directory = tmp_path / f"redis-{len(servers)}"
        servers.append(RedisServer(directory, *words, program=program))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def redis(request: pytest.FixtureRequest, start_redis: StartRedis) -> RedisServer:
    """A server that loses nothing that it has acknowledged; see `on_each_engine`."""
    return start_redis(program=getattr(request, "param", "redis-server"))


@pytest.fixture
def turner() -> Iterator[Turner]:
    """A loop for nodes."""
    turner = Turner()
    yield turner
    turner.close()

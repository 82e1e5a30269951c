"""A Redis server, and nodes of a room on one loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.engine_node import Turner
from tests.cluster.redis_server import RedisServer


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that loses nothing that it has acknowledged."""
    server = RedisServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def turner() -> Iterator[Turner]:
    """A loop for nodes."""
    turner = Turner()
    yield turner
    turner.close()

"""A fixture that starts workers and ends them with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netd.listeners.http import KIND
from tests.listeners.http.http_client import LOOPBACK, PATIENT, Start
from tests.listeners.http.succession import Succession
from tests.support import WorkerUnderTest


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a worker with routes and options."""
    started: list[WorkerUnderTest] = []

    def launch(*routes: dict[str, Any], addresses: list[str] = LOOPBACK, **options: Any) -> Any:
        worker = WorkerUnderTest(KIND, {"routes": routes, **PATIENT, **options}, addresses)
        started.append(worker)
        return worker

    yield launch
    for worker in started:
        worker.close()


@pytest.fixture
def succeed() -> Iterator[Callable[..., Succession]]:
    """Return a function that starts the first of several services with routes and options."""
    started: list[Succession] = []

    def launch(*routes: dict[str, Any], **options: Any) -> Succession:
        started.append(Succession(*routes, **options))
        return started[-1]

    yield launch
    for succession in started:
        succession.close()

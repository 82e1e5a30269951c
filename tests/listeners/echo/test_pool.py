"""The pool's slots on a simulated clock."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from netd.config.schema import read_options
from netd.listeners.echo import pool, slot_set
from netd.listeners.echo.mailbox import Mailbox
from netd.listeners.echo.options import Concurrency, EchoOptions
from netd.listeners.echo.runner import OnEnd
from netd.listeners.echo.scoreboard import Scoreboard
from netd.listeners.echo.slot import SlotConfig
from netd.runtime.loop import Loop
from tests.supervisor.simulation import Simulation

SPARE = 3


class CrashingRunner:
    """A slot that ends at once."""

    started = 0

    def __init__(self, loop: Loop, config: SlotConfig, on_end: OnEnd) -> None:
        type(self).started += 1
        self.index = config.index
        loop.defer(lambda: on_end(self, "exit status 3"))

    def retire(self) -> None:
        """It has ended."""

    def kill(self) -> None:
        """It has ended."""

    def interrupt(self) -> None:
        """It has ended."""

    def close_expired(self) -> None:
        """It has ended."""


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    simulation = Simulation()
    yield simulation
    simulation.close()


def test_slots_that_crash_are_started_ten_times_a_minute_at_most(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(slot_set.RUNNERS, Concurrency.FORK, CrashingRunner)
    options = read_options(EchoOptions, {"address": "tcp://127.0.0.1:0", "spare": SPARE})
    sock = socket.create_server(("127.0.0.1", 0))
    mailbox = Mailbox(lambda _delivery: None)
    context = slot_set.SlotContext(
        simulation.loop, Scoreboard(), mailbox, lambda _connection, _options: None
    )
    crashing = pool.Pool(context, options, [sock], lambda _pool: None)
    crashing.start()
    for _ in range(5):
        CrashingRunner.started = 0
        simulation.advance(60)
        assert CrashingRunner.started <= 10 * SPARE
    assert crashing.degraded() == "echo processes keep failing: exit status 3"
    crashing.retire()
    mailbox.inlet.close()
    mailbox.outlet.close()

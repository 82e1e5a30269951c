"""The whole supervisor on a simulated clock, driven by Hypothesis through any order of events."""

from __future__ import annotations

import errno
import shutil
import tempfile
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from netd.config.model import Config, DaemonOptions
from netd.config.schema import read_options
from netd.errors import ConfigError, Problem
from netd.listeners.echo.options import EchoOptions
from netd.listeners.kinds import KINDS
from netd.protocols.control import Reply
from netd.protocols.link import Failed, RequestReload, RequestStatus
from netd.runtime import process
from netd.runtime.systemd import Passed
from netd.supervisor.config_reader import OnRead
from netd.supervisor.supervisor import Supervisor
from tests.supervisor.simulation import SimulatedWorker, Simulation

HANDING_OVER = {"echo": replace(KINDS["echo"], hands_over=True)}
KILLED = process.Exit(9, by_signal=True)
LISTENERS = st.dictionaries(
    st.sampled_from("abc"),
    st.fixed_dictionaries(
        {
            "workers": st.integers(1, 3),
            "tag": st.booleans(),
            "concurrency": st.sampled_from(["fork", "thread"]),
            "address": st.sampled_from(
                [
                    ["tcp://127.0.0.1:0"],
                    ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"],
                    ["udp://127.0.0.1:0"],
                ]
            ),
        }
    ),
    min_size=1,
)


def make_config(listeners: dict[str, dict[str, Any]]) -> Config:
    """A configuration of echo listeners."""
    options = {name: read_options(EchoOptions, table) for name, table in listeners.items()}
    return Config(netd=DaemonOptions(), listeners=dict(options))


class SupervisorMachine(RuleBasedStateMachine):
    """Edits, signals, workers that obey, refuse, die, hang or retire, and time that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.simulation = Simulation()
        self.file = make_config({"a": {"address": "tcp://127.0.0.1:0"}})
        self.is_broken = self.is_slow = False
        self.reads: list[OnRead] = []
        self.supervisor = Supervisor(
            self.simulation.loop,
            HANDING_OVER,
            Passed(),
            self.load,
            lambda _config: f"{self.directory}/control.sock",
            spawn=self.simulation.spawn,
        )
        self.next_client = 0
        self.requested = 0
        self.replies: list[Reply] = []
        self.stops = 0

    def load(self, on_read: OnRead) -> None:
        """Begin to read the simulated file; `finish_reading` ends it if the system is slow."""
        self.reads.append(on_read)
        if not self.is_slow:
            self.read_all()

    def read_all(self) -> None:
        reads, self.reads = self.reads, []
        for on_read in reads:
            on_read(ConfigError((Problem("", "is broken"),)) if self.is_broken else self.file)

    @property
    def is_started(self) -> bool:
        return bool(self.simulation.workers)

    def worker(self, index: int) -> SimulatedWorker:
        workers = self.simulation.workers
        return workers[index % len(workers)]

    @initialize(listeners=LISTENERS)
    def start(self, listeners: dict[str, dict[str, Any]]) -> None:
        self.file = make_config(listeners)
        self.supervisor.start()
        self.simulation.obey()

    @rule(listeners=LISTENERS)
    def edit(self, listeners: dict[str, dict[str, Any]]) -> None:
        self.file = make_config(listeners)

    @rule(is_broken=st.booleans())
    def spoil(self, *, is_broken: bool) -> None:
        self.is_broken = is_broken

    @rule(is_slow=st.booleans())
    def slow_down(self, *, is_slow: bool) -> None:
        self.is_slow = is_slow

    @rule()
    def finish_reading(self) -> None:
        self.read_all()
        self.simulation.settle()

    @precondition(lambda self: self.simulation.loop.is_running)
    @rule()
    def hang_up(self) -> None:
        self.requested += 1
        self.supervisor.request_reload(self.replies.append)
        self.simulation.settle()

    @precondition(lambda self: self.is_started)
    @rule(index=st.integers(0, 9))
    def obey(self, index: int) -> None:
        self.worker(index).obey()
        self.simulation.settle()

    @precondition(lambda self: self.is_started)
    @rule(index=st.integers(0, 9))
    def connect(self, index: int) -> None:
        worker = self.worker(index)
        if worker.serves:
            self.next_client += 1
            worker.clients.add(self.next_client)

    @precondition(lambda self: self.is_started)
    @rule(index=st.integers(0, 9))
    def refuse(self, index: int) -> None:
        self.worker(index).send(Failed("no room"))
        self.simulation.settle()

    @precondition(lambda self: self.is_started)
    @rule(index=st.integers(0, 9))
    def die(self, index: int) -> None:
        self.worker(index).end(KILLED)
        self.simulation.settle()

    @precondition(lambda self: self.is_started)
    @rule(index=st.integers(0, 9), is_frozen=st.booleans())
    def freeze(self, index: int, *, is_frozen: bool) -> None:
        worker = self.worker(index)
        (worker.freeze if is_frozen else worker.thaw)()

    @precondition(lambda self: self.is_started)
    @rule(index=st.integers(0, 9), ends=st.booleans())
    def retire(self, index: int, *, ends: bool) -> None:
        worker = self.worker(index)
        worker.retire()
        if ends:
            worker.end()
        self.simulation.settle()

    @precondition(lambda self: self.is_started)
    @rule(index=st.integers(0, 9))
    def babble(self, index: int) -> None:
        self.worker(index).send(b"not a message\n")
        self.simulation.settle()

    @precondition(lambda self: self.is_started)
    @rule(index=st.integers(0, 9))
    def ask(self, index: int) -> None:
        self.worker(index).send(RequestStatus())
        self.worker(index).send(RequestReload())
        self.simulation.settle()

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 5.0, 11.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.simulation.advance(seconds)

    @rule(has_room=st.booleans())
    def fill_the_system(self, *, has_room: bool) -> None:
        self.simulation.spawn_error = None if has_room else OSError(errno.EAGAIN, "no room")

    @precondition(lambda self: self.stops < 2)
    @rule(really=st.sampled_from([False, False, False, True]))
    def stop(self, *, really: bool) -> None:
        if really:
            self.stops += 1
            self.supervisor.stop()
            self.simulation.settle()

    @invariant()
    def status_is_true(self) -> None:
        status = self.supervisor.status()
        if self.stops:
            assert status["state"] == "stopping"
            return
        for listener in status["listeners"]:
            if listener["state"] != "draining":
                assert len(listener["addresses"]) == len(listener["configured"])

    @invariant()
    def a_client_has_one_server(self) -> None:
        served = [
            client
            for worker in self.simulation.workers
            if worker.serves
            for client in worker.clients
        ]
        assert len(served) == len(set(served))

    def no_dismissed_worker_loses_a_client(self) -> None:
        """Each one got a successor, though that may have been killed since."""
        for worker in self.simulation.all_workers:
            if worker.is_dismissed:
                others = [other for other in self.simulation.all_workers if other is not worker]
                taken = set().union(*(other.clients | other.loaded for other in others))
                assert worker.clients <= taken

    @invariant()
    def no_request_is_answered_twice(self) -> None:
        assert len(self.replies) <= self.requested

    def teardown(self) -> None:
        self.simulation.spawn_error, self.is_slow = None, False
        for worker in self.simulation.workers:
            worker.thaw()
        self.read_all()
        for _ in range(24):  # long enough for every back-off and deadline
            self.simulation.obey()
            self.simulation.advance(5)
        assert len(self.replies) == self.requested
        self.no_dismissed_worker_loses_a_client()
        if self.stops:
            assert not self.simulation.loop.is_running
            assert not self.simulation.workers
        elif self.requested or self.supervisor.status()["listeners"]:
            self.converges()
            self.supervisor.stop()
            self.simulation.obey()
        self.supervisor.close()
        self.simulation.close()
        self.supervisor._fleet.table.keep_only({})
        shutil.rmtree(self.directory)

    def converges(self) -> None:
        """A correct file is taken, and everything in it serves."""
        self.is_broken = False
        self.requested += 1
        self.supervisor.request_reload(self.replies.append)
        self.simulation.obey()
        assert not self.replies[-1].error
        status = self.supervisor.status()
        assert status["state"] == "serving"
        names = [listener["name"] for listener in status["listeners"]]
        assert names == list(self.file.listeners)
        for listener in status["listeners"]:
            states = [worker["state"] for worker in listener["workers"]]
            assert states == ["serving"] * self.file.listeners[listener["name"]].workers
        shown = [
            worker["pid"] for listener in status["listeners"] for worker in listener["workers"]
        ]
        assert not any(worker.is_held for worker in self.simulation.workers)
        assert sorted(shown) == [worker.process.pid for worker in self.simulation.workers]


TestSupervisorMachine = pytest.mark.timeout(300)(SupervisorMachine.TestCase)
TestSupervisorMachine.settings = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

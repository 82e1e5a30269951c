"""A random schedule of talk and faults for three nodes; a seed reproduces it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from netd.listeners.chat import KIND
from netd.listeners.chat.cluster import checkpoints
from netd.listeners.chat.cluster.scripts import Keys
from tests.cluster.observer import Talker, check, pump
from tests.cluster.redis_server import RedisServer
from tests.cluster.relay import Mode, Relay
from tests.support import PATIENCE_S, WorkerUnderTest

_NAME = "example"
_NODES = ("one", "two", "three")
_DEADLINE_S = 1.2
_STEPS = 60
_ROUND_S = 2.0


def _has_joined(talker: Talker) -> bool:
    return any(" 366 " in line for line in talker.lines)


class Node:
    """A worker, its way to the engine, and its clients."""

    def __init__(self, name: str, directory: Path, redis: RedisServer) -> None:
        self.name = name
        self.relay = Relay(directory / f"{name}.sock", redis.path)
        self.talkers: list[Talker] = []
        self._is_running = False
        self.worker = self._start()
        self.connect(f"{name}a")
        self.connect(f"{name}b")
        self._is_running = True

    def _start(self) -> WorkerUnderTest:
        cluster = {
            "engine": f"unix://{self.relay.address}",
            "name": _NAME,
            "node": self.name,
            "deadline": f"{_DEADLINE_S}s",
            "hold": "60s",
        }
        options = {"server_name": f"{self.name}.test", "flood_rate": 0.0, "channel": ""}
        return WorkerUnderTest(KIND, {**options, "cluster": cluster}, ["tcp://127.0.0.1:0"])

    def connect(self, name: str) -> None:
        """Add a client."""
        self.talkers.append(Talker(name, self.worker.connect()))
        self.talkers[-1].is_whole = not self._is_running

    def kill(self) -> None:
        """Kill the worker, and start another one, with other clients."""
        self.worker.process.kill(signal.SIGKILL)
        self.worker.await_exit()
        self.worker.close()
        self.worker = self._start()
        number = len(self.talkers)
        self.connect(f"{self.name}{number}")

    def signal(self, signum: signal.Signals) -> None:
        """Freeze or thaw the worker."""
        os.kill(self.worker.process.pid, signum)

    def close(self) -> None:
        """End it."""
        for talker in self.talkers:
            talker.close()
        self.worker.close()
        self.relay.close()


class Schedule:
    """One run."""

    def __init__(self, seed: int, directory: Path) -> None:
        self._random = random.Random(seed)
        checkpoints.CHECK_ENTRIES = 20  # the rooms are compared often
        self._redis = RedisServer(directory / "redis")
        self._nodes = [Node(name, directory, self._redis) for name in _NODES]
        self._is_engine_frozen = False
        self._frozen: dict[Node, float] = {}
        self.faults: Counter[str] = Counter()
        """How many faults there were, by name."""
        self.fences = 0
        """How many times a node was removed whose clients stayed."""
        self._events: list[str] = []

    def run(self) -> None:
        """Do all steps, heal, and check."""
        for node in self._nodes:
            self._note(f"{node.name} is process {node.worker.process.pid}")
        self._await_all("JOIN", _has_joined)
        for _ in range(_STEPS):
            self._talk()
            if self._random.random() < 0.3:
                self._fault()
            pump(self._talkers, self._random.choice((0.0, 0.01, 0.05)))
        self._heal()
        self._await_all("JOIN", _has_joined)
        self._await_common_line()
        self._await_equal_names()
        check(self._talkers)
        for node in self._nodes:
            counters = node.worker.await_counters(lambda _: True)
            self.fences += counters["engine_fences"]
            assert counters["engine_drifts"] == 0, "the rooms differed"
            assert counters["inputs_skipped"] == 0, "an input was not applied"

    @property
    def seen(self) -> int:
        """How many lines the clients have seen."""
        return sum(len(talker.seen) for talker in self._talkers)

    def write_evidence(self, directory: Path) -> None:
        """Write what explains a failure: time does not repeat itself when the seed is played again.

        The faults and their times, the log of the engine, and what each client has received.
        """
        (directory / "events.txt").write_text("\n".join(self._events))
        for talker in self._talkers:
            lines = [f"{at:.3f} {line}" for at, line in talker.transcript]
            (directory / f"client-{talker.name}.txt").write_text("\n".join(lines))
        self._thaw_engine()
        entries = self._redis.call("XRANGE", Keys(_NAME).log, "-", "+")
        assert isinstance(entries, list)
        rows = [" ".join(map(repr, entry)) for entry in entries]
        (directory / "log.txt").write_text("\n".join(rows))

    def _note(self, event: str) -> None:
        self._events.append(f"{time.time():.3f} {event}")

    def close(self) -> None:
        """End all processes."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._redis.kill)
            for node in self._nodes:
                stack.callback(node.close)
                if node in self._frozen:
                    node.signal(signal.SIGCONT)

    @property
    def _talkers(self) -> list[Talker]:
        return [talker for node in self._nodes for talker in node.talkers]

    @property
    def _open(self) -> list[Talker]:
        return [talker for talker in self._talkers if talker.is_open]

    def _talk(self) -> None:
        for talker in self._random.sample(self._open, k=min(3, len(self._open))):
            for _ in range(self._random.choice((1, 1, 5))):
                talker.say()

    def _fault(self) -> None:
        node = self._random.choice(self._nodes)
        faults = [self._cut, self._stall, self._pass, self._pass, self._restart_engine]
        faults += [self._freeze_engine, self._freeze, self._thaw, self._kill, self._outlast]
        fault = self._random.choice(faults)
        name = fault.__name__.strip("_")
        self.faults[name] += 1
        self._note(f"{name} {node.name}")
        fault(node)
        if fault == self._kill:
            self._note(f"{node.name} is process {node.worker.process.pid}")

    def _cut(self, node: Node) -> None:
        node.relay.set_mode(Mode.CUT)

    def _stall(self, node: Node) -> None:
        node.relay.set_mode(Mode.STALL)

    def _pass(self, node: Node) -> None:
        node.relay.set_mode(Mode.PASS)

    def _restart_engine(self, _node: Node) -> None:
        self._thaw_engine()
        self._redis.kill()
        self._redis.start()

    def _freeze_engine(self, _node: Node) -> None:
        self._redis.signal(signal.SIGSTOP)
        self._is_engine_frozen = True

    def _thaw_engine(self) -> None:
        if self._is_engine_frozen:
            self._redis.signal(signal.SIGCONT)
            self._is_engine_frozen = False

    def _freeze(self, node: Node) -> None:
        node.signal(signal.SIGSTOP)
        self._frozen[node] = time.monotonic()

    def _thaw(self, node: Node) -> None:
        if node in self._frozen:
            node.signal(signal.SIGCONT)
            del self._frozen[node]

    def _kill(self, node: Node) -> None:
        self._thaw(node)
        self._thaw_engine()  # a worker waits for nothing, but its clients do
        node.kill()

    def _outlast(self, node: Node) -> None:
        """Keep a node away until the others have removed it, if one of them can."""
        self._thaw_engine()
        self._random.choice((self._cut, self._stall, self._freeze))(node)
        deadline = time.monotonic() + 4 * _DEADLINE_S
        while node.name in self._present_nodes() and time.monotonic() < deadline:
            pump(self._talkers, 0.05)
        self._note(f"present: {self._present_nodes()}")

    def _present_nodes(self) -> list[str]:
        names = self._redis.call("HKEYS", Keys(_NAME).nodes)
        assert isinstance(names, list)
        return [name.decode() for name in names]

    def _heal(self) -> None:
        self._note("heal")
        self._thaw_engine()
        for node in self._nodes:
            self._thaw(node)
            node.relay.set_mode(Mode.PASS)

    def _await_common_line(self) -> None:
        """Let all clients talk until all have seen a line of each one.

        A client of a node that was removed can miss lines until it has entered again.
        """
        deadline = time.monotonic() + 2 * PATIENCE_S
        round_s = _ROUND_S
        while True:
            for talker in self._open:
                talker.say()
            ends = {f"{talker.name}:{talker.said - 1}" for talker in self._open}
            until = time.monotonic() + round_s
            round_s *= 2  # on a slow machine a line takes longer than a round
            while time.monotonic() < until:
                pump(self._talkers, 0.05)
                if all(ends <= {text for _, text in talker.seen} for talker in self._open):
                    return
            assert time.monotonic() < deadline, "the clients do not see each other"

    def _await_equal_names(self) -> None:
        """Wait until all hosts have all clients: one that was removed may still enter again."""
        names = {talker.name for talker in self._open}
        deadline = time.monotonic() + PATIENCE_S
        while not all(talker.names == names for talker in self._open):
            assert time.monotonic() < deadline, "the hosts have other members"
            for talker in self._open:
                talker.names.clear()
                talker.send("NAMES #room", f"PING {talker.said}")
                talker.lines.clear()
            self._await_all("PONG", lambda talker: any(" PONG " in text for text in talker.lines))

    def _await_all(self, what: str, condition: object) -> None:
        assert callable(condition)
        deadline = time.monotonic() + PATIENCE_S
        while not all(condition(talker) for talker in self._open):
            late = [talker.name for talker in self._open if not condition(talker)]
            assert time.monotonic() < deadline, f"{late} wait in vain for {what}"
            pump(self._talkers, 0.05)

"""A node whose state is the list of all inputs in the order of the log."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from netd.listeners.chat.cluster.engine import Engine
from netd.listeners.chat.cluster.engine_address import EngineAddress
from netd.listeners.chat.cluster.engine_contract import EngineSettings, Loss
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry
from netd.listeners.chat.cluster.log_position import START, Position
from netd.listeners.chat.cluster.redis_connection import Credentials
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.support import PATIENCE_S


class NodeUnderTest:
    """An engine, and what it has reported."""

    def __init__(self, loop: Loop, address: EngineAddress, node: str, **settings: Any) -> None:
        self.name = node
        self.lines: list[str] = []
        """All inputs in the order of the log."""
        self.nodes: dict[str, str] = {}  # incarnation by name
        self.times: list[int] = []
        self.losses: list[Loss] = []
        self.given_up: list[str] = []
        self.levels: list[int] = []
        self.failures: list[str] = []
        credentials = settings.pop("credentials", Credentials())
        saved, ended = settings.pop("saved", None), settings.pop("ended", {})
        self.engine = Engine(
            loop,
            EngineSettings((address,), credentials, "room", node, **settings),
            self,
            saved,
            ended,
        )
        self.engine.start()

    def say(self, *lines: str) -> None:
        """Append inputs."""
        for line in lines:
            self.engine.append(line.encode())

    def keep_snapshot(self, entries: int = 0) -> None:
        """Keep the state in the engine."""
        state = json.dumps([self.lines, self.nodes]).encode()
        digest = hashlib.sha256(state).hexdigest()
        self.engine.keep_snapshot(self.engine.applied, digest, state, entries)

    def on_snapshot(
        self, position: Position, state: bytes, on_loaded: Callable[[str], object]
    ) -> None:
        assert (position == START) == (not state)
        self.lines, self.nodes = json.loads(state) if state else ([], {})
        on_loaded("")

    def on_entries(self, entries: Sequence[LogEntry]) -> None:
        for entry in entries:
            self.times.append(entry.time_ms)
            match entry.kind:
                case EntryKind.INPUTS:
                    self.lines += [payload.decode() for payload in entry.inputs]
                case EntryKind.JOINED:
                    self.nodes[entry.node] = entry.incarnation
                case EntryKind.LOST | EntryKind.MOVED:
                    self.nodes.pop(entry.node, None)
                case EntryKind.LEVEL:
                    self.levels.append(entry.first)

    def on_available(self) -> None:
        pass

    def on_unavailable(self, reason: str) -> None:
        self.failures.append(reason)

    def on_taken_over(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            self.engine.append(payload)

    def on_given_up(self, payloads: Sequence[bytes]) -> None:
        self.given_up += [payload.decode() for payload in payloads]
        for payload in payloads:
            self.engine.append(payload)

    def on_lost(self, loss: Loss) -> None:
        self.losses.append(loss)


class Turner:
    """A loop that a test turns until a condition holds."""

    def __init__(self) -> None:
        self.loop = Loop(EpollPoller())
        self.nodes: list[NodeUnderTest] = []
        self.others: list[Turner] = []
        """Those that this one turns, too; the nodes of all others are frozen meanwhile."""

    def add(self, address: EngineAddress, node: str, **settings: Any) -> NodeUnderTest:
        """Start a node."""
        added = NodeUnderTest(self.loop, address, node, **settings)
        self.nodes.append(added)
        return added

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Turn until a condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        loops = [turner.loop for turner in (self, *self.others)]
        # A condition may be met by time alone, and no loop waits for long.
        ticks = [loop.call_every(0.01, lambda: None) for loop in loops]
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            for loop in loops:
                loop.turn()
        for tick in ticks:
            tick.cancel()

    def until_available(self) -> None:
        """Turn until all nodes are in the room."""
        self.until(lambda: all(node.engine.is_available for node in self.nodes), "the engine")

    def until_equal(self, count: int) -> None:
        """Turn until all nodes have a number of lines, and compare them."""
        nodes = self.nodes
        self.until(lambda: all(len(node.lines) >= count for node in nodes), f"{count} lines")
        assert all(node.lines == nodes[0].lines for node in nodes), "the orders differ"
        assert len(nodes[0].lines) == count

    def close(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.engine.leave()
        self.until(lambda: all(node.engine.is_closed for node in self.nodes), "the ends")
        self.loop.close()

"""Three hosts and their log in one process, which play any schedule of faults.

`python -m tests.cluster.run --simulated --count 1000` plays more than the tests do.

A client's transcript is compared with the room. What a client believes, from the lines that it has
received, must be so: its nick, its channels, their members with their status, topic and modes. And
a client that has kept its connection has got each message of its channels exactly once.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from netd.listeners.chat.cluster.digest import shared_state
from tests.cluster.believer import Believer
from tests.cluster.simulated_node import SimulatedEngine, SimulatedNode

NODES: Final = ("one", "two", "three")
CHANNELS: Final = ("#a", "#b", "#c")


@dataclass
class Simulation:
    """All hosts."""

    engine: SimulatedEngine = field(default_factory=SimulatedEngine)
    nodes: list[SimulatedNode] = field(default_factory=list)
    all: list[Believer] = field(default_factory=list)
    """All clients that were ever there."""
    said: int = 0

    def __post_init__(self) -> None:
        self.nodes = [SimulatedNode(name, self.engine) for name in NODES]
        for _ in range(2):
            for node in self.nodes:
                self.enter(node)
        self.turn()
        for believer in self.all:
            for channel in CHANNELS[:2]:
                believer.send(f"JOIN {channel}")
        self.turn()

    def enter(self, node: SimulatedNode) -> None:
        """Connect a new client."""
        number = len(self.all)
        self.all.append(node.enter(f"m{number}", f"192.0.2.{number % 250}"))

    def turn(self) -> None:
        """Let all hosts that can send and read, until nothing changes."""
        before = -1
        while before != len(self.engine.entries):
            before = len(self.engine.entries)
            for node in self.nodes:
                node.flush()
                node.read()

    def rewind(self, count: int) -> None:
        """Have the engine lose its last changes; all hosts have to connect again."""
        self.engine.rewind(count)
        for node in self.nodes:
            node.cut()

    def heal(self) -> None:
        """Connect all hosts, and let them come to rest."""
        for _ in range(6):
            for node in self.nodes:
                node.connect()
                node.read()
                node.renew()
            self.turn()

    def check(self) -> None:
        """Compare all with each other, after `heal`."""
        first, *others = [shared_state(node.room.state) for node in self.nodes]
        assert all(other == first for other in others), "the rooms differ"
        for node in self.nodes:
            assert not node.room.skipped
            assert node.is_settled, f"clients of {node.name} wait for ever"
        present: list[Believer] = []
        for node in self.nodes:
            present += node.believers.values()
            for believer in node.believers.values():
                believer.check(node.room.state)
        self._check_messages(present)

    def _check_messages(self, present: list[Believer]) -> None:
        said: defaultdict[str, dict[int, str]] = defaultdict(dict)
        for believer in self.all:
            for number, (channel, text) in believer.messages.items():
                assert said[channel].setdefault(number, text) == text
        for messages in said.values():
            for number in filter(self.engine.has_lost, [*messages]):
                del messages[number]  # some have got it, and some have not
            texts = sorted(messages.values())
            assert texts == sorted({*texts}), f"a line was said twice: {texts}"
        for believer in self.all:
            assert not believer.doubled, f"{believer.name} got {believer.doubled} twice"
        for believer in present:
            believer.check_complete(said)


Step = Callable[[Simulation, SimulatedNode, random.Random], object]


def _line(simulation: Simulation, node: SimulatedNode, chance: random.Random) -> None:
    believers = [*node.believers.values()]
    if not believers:
        return
    believer = chance.choice(believers)
    other = chance.choice(simulation.all)
    channel = chance.choice(CHANNELS)
    simulation.said += 1
    line = chance.choice(_LINES).format(c=channel, nick=other.nick, n=simulation.said)
    believer.send(line)


def _say(simulation: Simulation, node: SimulatedNode, chance: random.Random) -> None:
    for believer in [*node.believers.values()]:
        for _ in range(chance.choice((1, 3))):
            simulation.said += 1
            believer.send(f"PRIVMSG {chance.choice(CHANNELS)} :{simulation.said}")


def _leave(_: Simulation, node: SimulatedNode, chance: random.Random) -> None:
    if node.believers:
        node.leave(chance.choice([*node.believers]))


def _turn(simulation: Simulation, _node: SimulatedNode, _chance: random.Random) -> None:
    simulation.turn()


_LINES: Final = (
    *("JOIN {c}", "JOIN {c}", "PART {c}", "TOPIC {c} :topic {n}", "NICK n{n}", "NICK {nick}"),
    *("MODE {c} +o {nick}", "MODE {c} -o {nick}", "MODE {c} +v {nick}", "MODE {c} -v {nick}"),
    *(
        "MODE {c} +m",
        "MODE {c} -m",
        "MODE {c}",
        "KICK {c} {nick}",
        "PRIVMSG {nick} :{n}",
        "PRIVMSG {c} :{n}",
    ),
    *(
        "QUIT",
        "MODE {c} +b {nick}!*@*",
        "MODE {c} -b {nick}!*@*",
        "AWAY :{n}",
        "MONITOR + {nick}",
        "MONITOR + {nick}",
    ),
)
_STEPS: Final[dict[str, tuple[int, Step]]] = {
    "line": (8, _line),
    "say": (6, _say),
    "leave": (1, _leave),
    "enter": (1, lambda simulation, node, _: simulation.enter(node)),
    "turn": (4, _turn),
    "cut": (2, lambda _, node, __: node.cut()),
    "connect": (4, lambda _, node, __: node.connect()),
    "flush": (3, lambda _, node, __: node.flush()),
    "read": (4, lambda _, node, chance: node.read(chance.choice((1, 2, 5, 1000)))),
    "renew": (2, lambda _, node, __: node.renew()),
    "remove": (3, lambda simulation, node, _: simulation.engine.remove(node.name)),
    "keep": (1, lambda _, node, chance: node.keep_snapshot(chance.choice((0, 3, 1000)))),
    "drift": (1, lambda _, node, __: node.be_drifted()),
    "rewind": (1, lambda simulation, _, chance: simulation.rewind(chance.choice((1, 3, 10)))),
}
_CHOICES: Final = [step for weight, step in _STEPS.values() for _ in range(weight)]


def play(chance: random.Random, steps: int) -> None:
    """Do random steps, heal, and check."""
    simulation = Simulation()
    for _ in range(steps):
        chance.choice(_CHOICES)(simulation, chance.choice(simulation.nodes), chance)
    simulation.heal()
    simulation.check()

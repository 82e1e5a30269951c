"""The order in which the backlog serves sessions, and the end of its turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from netd.listeners.chat.backlog import (
    DIRECT_WORK,
    FIRST_SLICE_S,
    SLICE_S,
    TURN_S,
    Backlog,
    Chores,
)
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller

_LONG_S = 2 * TURN_S
"""The work of a slice after which the turn is over."""


class SimulatedLoop(Loop):
    """A loop whose time passes only when work is done."""

    def __init__(self) -> None:
        self.clock_s = 0.0
        super().__init__(EpollPoller(), lambda: self.clock_s)

    def work(self, seconds: float) -> None:
        """Let time pass."""
        self.clock_s += seconds


class Session:
    """A session with some slices of work, which notes when it is served."""

    def __init__(
        self, loop: SimulatedLoop, served: list[str], name: str, slices: int, slice_s: float = 0.0
    ) -> None:
        self.is_queued = False
        self._loop = loop
        self._served, self._name, self._slices, self._slice_s = served, name, slices, slice_s

    def serve(self, until: float) -> bool:
        self._served.append(self._name)
        self.slice_s = until - self._loop.time()
        self._loop.work(self._slice_s)
        self._slices -= 1
        return self._slices > 0


@pytest.fixture
def loop() -> Iterator[SimulatedLoop]:
    with closing(SimulatedLoop()) as made:
        yield made


def test_sessions_are_served_in_turn(loop: SimulatedLoop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    for name in "abc":
        backlog.add_fresh(Session(loop, served, name, 2))
    loop.turn()
    assert "".join(served) == "abcabc"


def test_new_input_comes_before_work_that_waits(loop: SimulatedLoop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    for name in "abc":
        backlog.add_fresh(Session(loop, served, name, 2, _LONG_S))
    loop.turn()
    assert "".join(served) == "a"
    backlog.add_fresh(Session(loop, served, "x", 1))
    for _ in range(3):
        loop.turn()
    assert "".join(served) == "abacbxc"


def test_new_input_without_end_does_not_stop_work_that_waits(loop: SimulatedLoop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    backlog.add(Session(loop, served, "w", 3))
    for _ in range(3):
        for name in "ab":
            backlog.add_fresh(Session(loop, served, name, 1, _LONG_S))
        loop.turn()
    assert served.count("w") == 3


def test_members_come_before_clients_that_register(loop: SimulatedLoop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    backlog.add_newcomer(Session(loop, served, "n", 3, _LONG_S))
    backlog.add(Session(loop, served, "w", 3, _LONG_S))
    for name in "abc":
        backlog.add_fresh(Session(loop, served, name, 1, _LONG_S))
    for _ in range(3):
        loop.turn()
    assert "".join(served) == "anwbncw", "each turn serves one of each that wait"


def test_the_first_slice_of_new_input_is_short(loop: SimulatedLoop) -> None:
    backlog, session = Backlog(loop), Session(loop, [], "a", 2, _LONG_S)
    backlog.add_fresh(session)
    loop.turn()
    assert session.slice_s == pytest.approx(FIRST_SLICE_S)
    loop.turn()
    assert session.slice_s == pytest.approx(SLICE_S)


def test_new_input_of_many_is_served_in_one_turn(loop: SimulatedLoop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    for _ in range(30):
        backlog.add_fresh(Session(loop, served, "a", 20, FIRST_SLICE_S))
    backlog.add_fresh(Session(loop, served, "x", 1))
    loop.turn()
    assert "x" in served


def test_quick_lines_come_before_other_new_input(loop: SimulatedLoop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    for _ in range(30):
        backlog.add_fresh(Session(loop, served, "a", 2, 0.4 * TURN_S))
    backlog.add_fresh(Session(loop, served, "q", 2), is_quick=True)
    loop.turn()
    assert "".join(served) == "qaaa"
    backlog.add_fresh(Session(loop, served, "r", 1), is_quick=True)
    loop.turn()
    assert "".join(served) == "qaaaraaaa"  # the last one has waited


def test_quick_lines_without_end_do_not_stop_other_new_input(loop: SimulatedLoop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    backlog.add_fresh(Session(loop, served, "a", 1))
    for _ in range(5):
        backlog.add_fresh(Session(loop, served, "q", 1, _LONG_S), is_quick=True)
    loop.turn()
    assert "".join(served) == "qa"


def test_chores_do_a_slice_of_work_at_a_time(loop: SimulatedLoop) -> None:
    done: list[str] = []

    def steps(name: str, seconds: float) -> Iterator[None]:
        for _ in range(4):
            done.append(name)
            loop.work(seconds)
            yield

    backlog, chores = Backlog(loop), Chores(loop)
    chores.add(steps("a", 0.6 * SLICE_S))
    chores.add(steps("b", 1.1 * SLICE_S))
    chores.add_call(lambda: done.append("c"))
    backlog.add(chores)
    backlog.add(Session(loop, done, "s", 3))
    loop.turn()
    assert "".join(done) == "aasaasbsbbbc"
    assert not chores.is_queued


def test_chores_can_be_completed_at_once(loop: SimulatedLoop) -> None:
    done: list[str] = []
    chores = Chores(loop)
    for name in "ab":
        chores.add_call(lambda name=name: done.append(name))  # type: ignore[misc]
    chores.complete()
    assert done == ["a", "b"]


def test_a_timer_fires_while_work_waits(loop: SimulatedLoop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    backlog.add_fresh(Session(loop, served, "a", 1000, _LONG_S))
    loop.call_later(0, loop.stop)
    loop.run()
    assert len(served) < 10


def test_a_session_is_queued_once(loop: SimulatedLoop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    session = Session(loop, served, "a", 1)
    backlog.add_fresh(session)
    backlog.add_fresh(session)
    backlog.add(session)
    loop.turn()
    assert served == ["a"]
    backlog.add(session)
    loop.turn()
    assert served == ["a", "a"]


def test_lines_bypass_the_backlog_only_while_it_is_empty_and_the_turn_is_young(
    loop: SimulatedLoop,
) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    assert backlog.may_bypass()
    backlog.note_bypass(DIRECT_WORK)
    assert not backlog.may_bypass()
    loop.defer(lambda: None)
    loop.work(_LONG_S)
    loop.turn()
    assert backlog.may_bypass()
    backlog.add_fresh(Session(loop, served, "a", 2, _LONG_S))
    assert not backlog.may_bypass()
    loop.turn()
    assert not backlog.may_bypass()
    loop.turn()
    loop.defer(lambda: None)
    loop.work(_LONG_S)
    loop.turn()
    assert backlog.may_bypass()

"""The order in which the backlog serves sessions, and the end of its turn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from netd.listeners.chat.backlog import DIRECT_WORK, TURN_S, Backlog, Chores
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller


class Session:
    """A session with some slices of work, which notes when it is served."""

    def __init__(self, served: list[str], name: str, slices: int, slice_s: float = 0.0) -> None:
        self.is_queued = False
        self._served, self._name, self._slices, self._slice_s = served, name, slices, slice_s

    def serve(self) -> bool:
        self._served.append(self._name)
        end = time.monotonic() + self._slice_s
        while time.monotonic() < end:
            pass
        self._slices -= 1
        return self._slices > 0


@pytest.fixture
def loop() -> Iterator[Loop]:
    with closing(Loop(EpollPoller())) as made:
        yield made


def test_sessions_are_served_in_turn(loop: Loop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    for name in "abc":
        backlog.add_fresh(Session(served, name, 2))
    loop.turn()
    assert "".join(served) == "abcabc"


def test_new_input_comes_before_work_that_waits(loop: Loop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    for name in "abc":
        backlog.add_fresh(Session(served, name, 2, TURN_S))
    loop.turn()
    assert "".join(served) == "a"
    backlog.add_fresh(Session(served, "x", 1))
    for _ in range(3):
        loop.turn()
    assert "".join(served) == "abacbxc"


def test_new_input_without_end_does_not_stop_work_that_waits(loop: Loop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    backlog.add(Session(served, "w", 3))
    for _ in range(3):
        for name in "ab":
            backlog.add_fresh(Session(served, name, 1, TURN_S))
        loop.turn()
    assert served.count("w") == 3


def test_members_come_before_clients_that_register(loop: Loop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    backlog.add_newcomer(Session(served, "n", 3, TURN_S))
    backlog.add(Session(served, "w", 3, TURN_S))
    for name in "abc":
        backlog.add_fresh(Session(served, name, 1, TURN_S))
    for _ in range(3):
        loop.turn()
    assert "".join(served) == "anwbncw", "each turn serves one of each that wait"


def test_chores_do_a_slice_of_work_at_a_time(loop: Loop) -> None:
    done: list[str] = []

    def steps(name: str, work: int) -> Iterator[int]:
        for _ in range(4):
            done.append(name)
            yield work

    backlog, chores = Backlog(loop), Chores(slice_work=2)
    chores.add(steps("a", 1))
    chores.add(steps("b", 5))
    backlog.add(chores)
    backlog.add(Session(done, "s", 3))
    loop.turn()
    assert "".join(done) == "aasaasbsbbb"
    assert not chores.is_queued


def test_a_timer_fires_while_work_waits(loop: Loop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    backlog.add_fresh(Session(served, "a", 1000, TURN_S))
    loop.call_later(0, loop.stop)
    loop.run()
    assert len(served) < 10


def test_a_session_is_queued_once(loop: Loop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    session = Session(served, "a", 1)
    backlog.add_fresh(session)
    backlog.add_fresh(session)
    backlog.add(session)
    loop.turn()
    assert served == ["a"]
    backlog.add(session)
    loop.turn()
    assert served == ["a", "a"]


def test_lines_bypass_the_backlog_only_while_it_is_empty_and_the_turn_is_young(loop: Loop) -> None:
    served: list[str] = []
    backlog = Backlog(loop)
    assert backlog.may_bypass()
    backlog.note_bypass(DIRECT_WORK)
    assert not backlog.may_bypass()
    loop.defer(lambda: None)
    loop.turn()
    assert backlog.may_bypass()
    backlog.add_fresh(Session(served, "a", 2, TURN_S))
    assert not backlog.may_bypass()
    loop.turn()
    assert not backlog.may_bypass()
    loop.turn()
    loop.defer(lambda: None)
    loop.turn()
    assert backlog.may_bypass()

from __future__ import annotations

import pytest

from netd.supervisor.lifecycle import TRANSITIONS, WorkerEvent, WorkerState


def test_a_worker_that_keeps_ending_never_serves_again_unasked() -> None:
    state = WorkerState.STARTING
    for event in (
        WorkerEvent.READY,
        WorkerEvent.EXITED,
        WorkerEvent.DUE,
        WorkerEvent.READY,
        WorkerEvent.DRAIN,
        WorkerEvent.EXITED,
    ):
        state = TRANSITIONS[state, event]
    assert state is WorkerState.ENDED


@pytest.mark.parametrize("state", [s for s in WorkerState if s is not WorkerState.ENDED])
def test_every_living_state_can_be_drained(state: WorkerState) -> None:
    assert TRANSITIONS[state, WorkerEvent.DRAIN] in (WorkerState.DRAINING, WorkerState.ENDED)


def test_every_state_is_reached_and_nothing_leaves_the_end() -> None:
    assert set(TRANSITIONS.values()) == set(WorkerState)
    leaving = {target for (state, _), target in TRANSITIONS.items() if state is WorkerState.ENDED}
    assert leaving == {WorkerState.ENDED}

from __future__ import annotations

import pytest

from netd.supervisor.lifecycle import TRANSITIONS, Event, State


def test_a_worker_that_keeps_ending_never_serves_again_unasked() -> None:
    state = State.STARTING
    for event in (Event.READY, Event.EXITED, Event.DUE, Event.READY, Event.DRAIN, Event.EXITED):
        state = TRANSITIONS[state, event]
    assert state is State.ENDED


@pytest.mark.parametrize("state", [s for s in State if s is not State.ENDED])
def test_every_living_state_can_be_drained(state: State) -> None:
    assert TRANSITIONS[state, Event.DRAIN] in (State.DRAINING, State.ENDED)


def test_every_state_is_reached_and_nothing_leaves_the_end() -> None:
    assert set(TRANSITIONS.values()) == set(State)
    leaving = {target for (state, _), target in TRANSITIONS.items() if state is State.ENDED}
    assert leaving == {State.ENDED}

"""Some processes of handovers are killed in a system call: nothing is ever half done.

`python -m tests.handover.kills` kills all of them in many more calls.
"""

from __future__ import annotations

import pytest

from tests.handover.kills import Outcome, run_cases
from tests.torture.case import KILL, Case

_CASES = [
    Case("old supervisor", "restart", "sendmsg", KILL, "1"),
    Case("new supervisor", "restart", "socketpair", KILL, "2"),
    Case("old lounge", "reload", "socketpair", KILL, "1"),
    Case("new fork", "reload", "sendmsg", KILL, "1"),
    Case("old supervisor", "upgrade", "execve", KILL, "1"),
]


@pytest.mark.timeout(600)  # strace slows down each start
@pytest.mark.needs("strace")
def test_each_client_is_served_or_disconnected_and_the_next_start_succeeds() -> None:
    outcomes = {str(case): outcome for case, outcome in run_cases(_CASES)}
    assert len(outcomes) == len(_CASES)
    names = {
        case: outcome.name if isinstance(outcome, Outcome) else str(outcome)
        for case, outcome in outcomes.items()
    }
    assert set(names.values()) <= {"all old or new", "disconnected"}, names

"""A sample of the processes of a handover, killed in their system calls: nothing is ever half done.

`python -m tests.handover.kills` runs more of them.
"""

from __future__ import annotations

import pytest

from tests.handover.kills import Outcome, find_cases, run_cases
from tests.torture.case import sample


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    ("event", "role"),
    [
        ("restart", "old supervisor"),
        ("restart", "new supervisor"),
        ("reload", "old lounge"),
        ("reload", "new web"),
    ],
)
def test_each_client_is_served_or_disconnected_and_the_next_start_succeeds(
    event: str, role: str
) -> None:
    cases = sample(find_cases(event, role), 3, seed=1)
    outcomes = dict(run_cases(cases))
    assert len(outcomes) == 3
    failed = {case: error for case, error in outcomes.items() if not isinstance(error, Outcome)}
    assert failed == {}

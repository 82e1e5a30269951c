"""What the options of an echo listener are checked for."""

from __future__ import annotations

import pytest

from netd.config.schema import read_options
from netd.listeners.echo import KIND


@pytest.mark.parametrize(
    ("spare", "most", "warnings"), [(5, 4, ["spare"]), (5, 5, []), (4, 2, []), (256, 256, [])]
)
def test_more_idle_slots_than_slots_give_a_warning(
    spare: int, most: int, warnings: list[str]
) -> None:
    table = {"kind": "echo", "address": "tcp://127.0.0.1:0", "spare": spare}
    problems = KIND.check(read_options(KIND.options, {**table, "max_connections": most}))
    assert [problem.key for problem in problems] == warnings
    assert all(problem.is_warning for problem in problems)

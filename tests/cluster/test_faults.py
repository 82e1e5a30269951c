"""Three nodes and an engine under random faults: what their clients see satisfies all rules.

`python -m tests.cluster.run --count 1000` plays more schedules; a failure names its seed.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.cluster.schedule import Schedule


@pytest.mark.parametrize("seed", range(4))
def test_all_clients_see_one_order_without_gaps(seed: int, tmp_path: Path) -> None:
    with contextlib.closing(Schedule(seed, tmp_path)) as schedule:
        schedule.run()

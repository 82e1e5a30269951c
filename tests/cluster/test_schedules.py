"""What a host that was away owes its clients, in random schedules (`simulation`)."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cluster.simulation import play


@settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.randoms(use_true_random=False), st.integers(0, 60))
def test_what_clients_believe_is_so(chance: random.Random, steps: int) -> None:
    play(chance, steps)

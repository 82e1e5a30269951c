from __future__ import annotations

import pytest

from netd.client.connector import backoff_s


@pytest.mark.parametrize(
    ("attempt", "delay_s"), [(0, 0), (1, 0.25), (3, 1), (8, 32), (9, 60), (5000, 60)]
)
def test_the_first_attempt_is_at_once_and_the_delay_doubles_up_to_a_minute(
    attempt: int, delay_s: float
) -> None:
    assert backoff_s(attempt) == delay_s

from __future__ import annotations

import pytest

from netd.client.connector import backoff_s


@pytest.mark.parametrize(("attempt", "delay_s"), [(0, 1), (3, 8), (5, 32), (6, 60), (5000, 60)])
def test_the_delay_doubles_up_to_a_minute(attempt: int, delay_s: float) -> None:
    assert backoff_s(attempt) == delay_s

from __future__ import annotations

import itertools

from netd.listeners.restart_policy import RestartPolicy


def test_the_first_restart_is_immediate_and_the_next_delays_grow() -> None:
    policy = RestartPolicy()
    policy.on_start(0.0)
    delays = [policy.delay_after_exit(1.0, chance=0.0) for _ in range(12)]
    assert delays[0] == 0.0
    assert delays[1:4] == [0.25, 0.5, 1.0]
    assert all(later >= earlier for earlier, later in itertools.pairwise(delays))
    assert delays[-1] == 30.0


def test_chance_adds_up_to_half() -> None:
    policy = RestartPolicy()
    policy.delay_after_exit(0.0, chance=0.0)
    assert policy.delay_after_exit(0.0, chance=0.5) == 0.25 * 1.25


def test_ten_starts_a_minute_are_the_most() -> None:
    policy = RestartPolicy()
    for second in range(10):
        policy.on_start(float(second))
    assert policy.delay_after_exit(10.0, chance=0.0) == 50.0


def test_a_stable_minute_forgives() -> None:
    policy = RestartPolicy()
    for _ in range(5):
        policy.on_start(0.0)
        policy.delay_after_exit(1.0, chance=0.0)
    policy.on_start(10.0)
    assert not policy.is_settled(69.0)
    assert policy.is_settled(70.0)
    assert policy.delay_after_exit(70.0, chance=0.0) == 0.0
    assert policy.is_settled(71.0)

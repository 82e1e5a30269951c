from __future__ import annotations

from netd.listeners.counters import Counters


def test_sums_are_by_name_and_keep_zeros() -> None:
    left = Counters({"accepted": 2, "refused": 0}, {"connections": 1})
    right = Counters({"accepted": 3, "lines": 4}, {"members": 5})
    both = left + right
    assert both.totals == {"accepted": 5, "refused": 0, "lines": 4}
    assert both.gauges == {"connections": 1, "members": 5}


def test_what_workers_share_is_counted_once() -> None:
    left = Counters(gauges={"connections": 1}, shared={"members": 5})
    right = Counters(gauges={"connections": 2}, shared={"members": 6})
    assert (left + right).as_dict() == {"connections": 3, "members": 6}


def test_a_process_that_has_ended_leaves_its_totals() -> None:
    counters = Counters({"accepted": 2}, {"connections": 1, "members": 7})
    assert counters.after_exit() == Counters({"accepted": 2})

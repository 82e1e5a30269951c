"""When a connection has had its time; the clock is handed in."""

from __future__ import annotations

from netd.listeners.echo.timeouts import Sample, Timeouts


def test_a_connection_that_moves_nothing_is_late_after_the_idle_timeout() -> None:
    keeper = Timeouts()
    still = [Sample(0, 1, 10)]
    assert keeper.judge(still, 0.0, 5.0, 0.0) == []
    assert keeper.judge(still, 4.9, 5.0, 0.0) == []
    assert keeper.judge(still, 5.0, 5.0, 0.0) == still


def test_bytes_that_move_put_it_off() -> None:
    keeper = Timeouts()
    assert keeper.judge([Sample(0, 1, 10)], 0.0, 5.0, 0.0) == []
    assert keeper.judge([Sample(0, 1, 11)], 4.0, 5.0, 0.0) == []
    assert keeper.judge([Sample(0, 1, 11)], 8.9, 5.0, 0.0) == []
    assert keeper.judge([Sample(0, 1, 11)], 9.0, 5.0, 0.0) != []


def test_the_next_connection_of_a_row_has_its_own_time() -> None:
    keeper = Timeouts()
    assert keeper.judge([Sample(0, 1, 10)], 0.0, 5.0, 0.0) == []
    assert keeper.judge([Sample(0, 2, 10)], 5.0, 5.0, 0.0) == []


def test_the_whole_time_counts_however_much_moves() -> None:
    keeper = Timeouts()
    assert keeper.judge([Sample(0, 1, 1)], 0.0, 0.0, 5.0) == []
    assert keeper.judge([Sample(0, 1, 2)], 5.0, 0.0, 5.0) == [Sample(0, 1, 2)]


def test_no_timeout_is_for_ever() -> None:
    keeper = Timeouts()
    assert keeper.judge([Sample(0, 1, 1)], 0.0, 0.0, 0.0) == []
    assert keeper.judge([Sample(0, 1, 1)], 1e9, 0.0, 0.0) == []

"""Which connections have timed out; the clock is an argument."""

from __future__ import annotations

from netd.listeners.echo.timeouts import Sample, Timeouts


def test_a_connection_without_traffic_expires_after_the_idle_timeout() -> None:
    timeouts = Timeouts()
    still = [Sample(0, 1, 10)]
    assert timeouts.find_expired(still, 0.0, 5.0, 0.0) == []
    assert timeouts.find_expired(still, 4.9, 5.0, 0.0) == []
    assert timeouts.find_expired(still, 5.0, 5.0, 0.0) == still


def test_traffic_extends_the_idle_timeout() -> None:
    timeouts = Timeouts()
    assert timeouts.find_expired([Sample(0, 1, 10)], 0.0, 5.0, 0.0) == []
    assert timeouts.find_expired([Sample(0, 1, 11)], 4.0, 5.0, 0.0) == []
    assert timeouts.find_expired([Sample(0, 1, 11)], 8.9, 5.0, 0.0) == []
    assert timeouts.find_expired([Sample(0, 1, 11)], 9.0, 5.0, 0.0) != []


def test_the_next_connection_of_a_row_starts_anew() -> None:
    timeouts = Timeouts()
    assert timeouts.find_expired([Sample(0, 1, 10)], 0.0, 5.0, 0.0) == []
    assert timeouts.find_expired([Sample(0, 2, 10)], 5.0, 5.0, 0.0) == []


def test_the_total_timeout_applies_in_spite_of_traffic() -> None:
    timeouts = Timeouts()
    assert timeouts.find_expired([Sample(0, 1, 1)], 0.0, 0.0, 5.0) == []
    assert timeouts.find_expired([Sample(0, 1, 2)], 5.0, 0.0, 5.0) == [Sample(0, 1, 2)]


def test_a_timeout_of_zero_never_expires() -> None:
    timeouts = Timeouts()
    assert timeouts.find_expired([Sample(0, 1, 1)], 0.0, 0.0, 0.0) == []
    assert timeouts.find_expired([Sample(0, 1, 1)], 1e9, 0.0, 0.0) == []

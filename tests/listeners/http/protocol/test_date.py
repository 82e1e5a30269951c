from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.http.protocol.date import format_date, parse_date

EXAMPLE = 784_111_777  # RFC 9110 section 5.6.7


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_three_formats_mean_the_same(text: str) -> None:
    assert parse_date(text) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT",
    ],
)
def test_other_texts_are_no_dates(text: str) -> None:
    assert parse_date(text) is None


def test_a_leap_second_is_read_as_the_second_before() -> None:
    assert parse_date("Sat, 31 Dec 2016 23:59:60 GMT") == parse_date(
        "Sat, 31 Dec 2016 23:59:59 GMT"
    )


@pytest.mark.parametrize(("now", "meant"), [(1994, 1994), (2000, 1994), (2044, 2094), (2043, 1994)])
def test_years_of_two_digits_are_at_most_fifty_years_ahead(now: int, meant: int) -> None:
    parsed = parse_date("Sunday, 06-Nov-94 08:49:37 GMT", year_now=now)
    assert parsed == parse_date(f"Sun, 06 Nov {meant} 08:49:37 GMT")


@given(st.integers(min_value=0, max_value=253_402_300_799))
def test_a_formatted_date_parses_to_the_same_time(timestamp: int) -> None:
    assert parse_date(format_date(timestamp)) == timestamp

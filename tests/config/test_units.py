from __future__ import annotations

import pytest

from netd.config.units import DURATION, SIZE, Quantity, format_number


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("500ms", 0.5), ("2m", 120), ("1.5h", 5400), ("1d", 86400), ("3", 3), ("4 s", 4)],
)
def test_duration(text: str, seconds: float) -> None:
    assert DURATION.parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "count"),
    [("64KiB", 65536), ("1MB", 10**6), ("512", 512), ("1.5GiB", 3 * 2**29), ("7B", 7)],
)
def test_size(text: str, count: int) -> None:
    assert SIZE.parse(text) == count


@pytest.mark.parametrize("text", ["", "s", "-1s", "10 parsecs", "1e3s", "10S", "٣s"])
def test_a_wrong_quantity_names_the_units(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a number and one of ms, s"):
        DURATION.parse(text)
    with pytest.raises(ValueError, match="is not a size; write a number and one of B, KiB"):
        SIZE.parse(text + "x")


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        (DURATION, 5400, "90m"),
        (DURATION, 0, "0s"),
        (DURATION, 0.0005, "0.5ms"),
        (SIZE, 65536, "64KiB"),
        (SIZE, 0, "0B"),
        (None, 7, 7),
    ],
)
def test_a_number_is_formatted_with_its_unit(
    quantity: Quantity | None, value: float, text: object
) -> None:
    assert format_number([quantity], value) == text

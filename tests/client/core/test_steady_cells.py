from __future__ import annotations

import pytest

from netd.client.core.steady_cells import steady


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("👨\u200d👩\u200d👧", "👨👩👧"),
        ("❤\ufe0f", "❤"),
        ("👍🏽", "👍"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
        ("e\u0301" + "\u0301" * 50, "e" + "\u0301" * 3),
        ("שָׁלוֹם", "שָׁלוֹם"),
    ],
)
def test_what_terminals_draw_differently_is_shown_as_its_parts(text: str, shown: str) -> None:
    assert steady(text) == shown

"""Masks match what they should, and in little time."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.chat.room.mask import matches

_PATTERNS = {"*": ".*", "?": "."}


@given(st.text("aB*?", max_size=12), st.text("Ab", max_size=12))
def test_a_mask_matches_as_its_regular_expression_does(mask: str, text: str) -> None:
    pattern = "".join(_PATTERNS.get(letter, letter) for letter in mask)
    assert matches(mask, text) == bool(re.fullmatch(pattern, text, re.IGNORECASE))


def test_no_mask_takes_exponential_time() -> None:
    text = 5000 * "ab"
    for mask in ("*" + 5000 * "?" + "c", "*" + 2500 * "a?" + "c", 2500 * "*a" + "c"):
        assert not matches(mask, text)

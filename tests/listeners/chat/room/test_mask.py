"""Masks fit what they should, and none of them takes long."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.chat.room.mask import matches

_PATTERNS = {"*": ".*", "?": "."}


@given(st.text("aB*?", max_size=12), st.text("Ab", max_size=12))
def test_a_mask_fits_as_its_pattern_does(mask: str, text: str) -> None:
    pattern = "".join(_PATTERNS.get(each, each) for each in mask)
    assert matches(mask, text) == bool(re.fullmatch(pattern, text, re.IGNORECASE))


def test_no_mask_takes_long() -> None:
    text = 5000 * "ab"
    began = time.monotonic()
    for mask in ("*" + 5000 * "?" + "c", "*" + 2500 * "a?" + "c", 2500 * "*a" + "c"):
        assert not matches(mask, text)
    assert time.monotonic() - began < 1

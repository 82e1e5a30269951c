from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.client.core.sanitize import sanitize


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcödé 你好 👋", "plain ünïcödé 你好 👋"),
        ("\x1b[2J\x1b]0;owned\x07", "␛[2J␛]0;owned␇"),
        ("\x9b31mred", "\ufffd31mred"),
        ("\x02bold\x02 \x0304,12colour\x03 \x1ditalic\x0f", "bold colour italic"),
        ("a\tb", "a    b"),
        ("one\rtwo\nthree", "one␍two␊three"),
        ("evil\u202etxt.exe", "evil\ufffdtxt.exe"),
        ("del\x7f", "del␡"),
    ],
)
def test_text_is_made_safe_to_display(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    cleaned = sanitize(text)
    assert not [c for c in cleaned if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0]
    assert sanitize(cleaned) == cleaned

from __future__ import annotations

import pytest

from netd.client.core.secrets import has_secret
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


@pytest.mark.parametrize(
    "line",
    ["/msg NickServ identify x", "/q nickserv REGISTER x y", "/raw PASS x", "/join #c key",
     "/oper a b", "/quote ns identify x"],
)  # fmt: skip
def test_lines_with_passwords_are_known(line: str) -> None:
    assert has_secret(line)


@pytest.mark.parametrize("line", ["/msg nick identify", "hello", "/join #c", "/msg NickServ help"])
def test_other_lines_are_kept(line: str) -> None:
    assert not has_secret(line)

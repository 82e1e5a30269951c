from __future__ import annotations

import pytest

from netd.client.screen.reflow import reflows, rows_above


@pytest.mark.parametrize(
    ("rows", "cursor_x", "columns", "above"),
    [
        ([[1] * 10], 10, 80, 0),
        ([[1] * 11], 10, 10, 1),
        ([[1] * 10], 11, 10, 0),
        ([[]], 1, 1, 0),
        ([[1] * 80, [1] * 9], 5, 80, 1),
        ([[1] * 80, [1] * 9], 5, 79, 2),
        ([[1] * 80, [1] * 20, [1] * 60], 50, 40, 4),
        ([[2, 0] * 20, []], 0, 41, 1),
        ([[2, 0] * 20, []], 0, 39, 2),
    ],
)
def test_the_rows_above_the_cursor_in_another_width(
    rows: list[list[int]], cursor_x: int, columns: int, above: int
) -> None:
    assert rows_above(rows, cursor_x, columns) == above


@pytest.mark.parametrize(
    ("environ", "keeps"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "screen-256color"}, False),
        ({"TERM": "screen-256color", "TMUX": "/tmp/x"}, True),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"}, False),
        ({"TERM": "linux"}, False),
        ({}, True),
    ],
)
def test_which_terminals_break_rows_anew(environ: dict[str, str], keeps: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    assert reflows(environ) is keeps

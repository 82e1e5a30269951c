"""Erases the line being edited where the terminal has broken its rows anew for a new width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from prompt_toolkit.application import Application
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.screen import Screen
from prompt_toolkit.renderer import Renderer

_CUTTING_TERMS: Final = ("linux", "screen", "st", "vt")


def reflows(environ: Mapping[str, str]) -> bool:
    """Whether the terminal keeps the text of rows that become too long: most of them do.

    xterm, st, GNU screen and the console cut such rows. They are known by the environment.
    """
    if environ.get("TMUX"):
        return True
    cuts = environ.get("XTERM_VERSION") or environ.get("STY")
    return not cuts and not environ.get("TERM", "").startswith(_CUTTING_TERMS)


class ReflowRenderer(Renderer):
    """Finds the first row of what it has drawn, also after the terminal became narrower."""

    @classmethod
    def install(cls, app: Application[str]) -> None:
        """Replace the renderer of an application that does not run yet."""
        old = app.renderer
        app.renderer = cls(
            *(old.style, old.output, old.full_screen, old.mouse_support),
            cpr_not_supported_callback=old.cpr_not_supported_callback,
        )

    def erase(self, leave_alternate_screen: bool = True) -> None:  # noqa: FBT001, FBT002 (as in Renderer)
        if self._last_screen is not None:
            columns = self.output.get_size().columns
            cursor = self._cursor_pos
            drawn = _widths(self._last_screen)[: cursor.y + 1]
            self.output.cursor_up(rows_above(drawn, cursor.x, columns) - cursor.y)
        super().erase(leave_alternate_screen)

    def render(
        self,
        app: Application[object],
        layout: Layout,
        is_done: bool = False,  # noqa: FBT001, FBT002 (as in Renderer)
    ) -> None:
        if self._last_size not in (None, self.output.get_size()):
            self.erase(leave_alternate_screen=False)
        super().render(app, layout, is_done)


def _widths(screen: Screen) -> list[list[int]]:
    """Return the widths of the cells in each row, without spaces at its end."""
    rows = []
    for number in range(screen.height):
        row = screen.data_buffer[number]
        end = max((x for x, cell in row.items() if cell.char != " "), default=-1)
        rows.append([row[x].width for x in range(end + 1)])
    return rows


def rows_above(rows: Sequence[Sequence[int]], cursor_x: int, columns: int) -> int:
    """Return how many rows are above the cursor in a terminal with so many columns.

    `rows` has the widths of the cells in the rows down to that of the cursor, as they were drawn;
    `cursor_x` is the cursor's column then. A cursor after the end of a row stays at its end.
    """
    *before, last = rows
    above = sum(_row_count(widths, columns) for widths in before)
    return above + _row_count(last[: cursor_x + 1], columns) - 1


def _row_count(widths: Sequence[int], columns: int) -> int:
    count, used = 1, 0
    for width in widths:
        if used + width > columns:
            count, used = count + 1, 0
        used += width
    return count

"""Output to a terminal that may draw a character in another width than was calculated.

The tables of terminals differ for flags, new emoji, joined letters and the marks of many scripts.
After such a character the cursor is set to its column, so that the rest of the row stays in place.
A spacing mark, such as a vowel sign of Devanagari, gets a column, as wcwidth(3) of glibc has it:
a terminal that needs none leaves a gap, and no terminal draws over the mark.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from prompt_toolkit import utils
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.utils import get_cwidth

# Letters of common scripts, punctuation, lines, and what `sanitize` puts in place of controls:
# every terminal draws these alike.
_STEADY: Final = re.compile(
    "[\xa1-\xac\xae-\u02ff\u0370-\u0482\u048a-\u0559\u05d0-\u05ea\u0620-\u064a\u2010-\u2027"
    "\u2030-\u205e\u2500-\u257f\u3001-\u3029\u3041-\u3096\u30a0-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uff01-\uff60\u2400-\u2421\ufffd]"
)
_MARK_BLOCKS: Final = (range(0x0900, 0x1D00), range(0xA800, 0xAC00), range(0x11000, 0x11D00))
_SPACING_MARKS: Final = frozenset(
    chr(code) for block in _MARK_BLOCKS for code in block if unicodedata.category(chr(code)) == "Mc"
)
utils._CHAR_SIZES_CACHE.update(dict.fromkeys(_SPACING_MARKS, 1))  # noqa: SLF001 (no other way)


class SteadyOutput(Vt100_Output):
    """Keeps count of the column, and sets it after a character of uncertain width."""

    _column = 0

    def write(self, data: str) -> None:
        if data.isascii():
            self._column = 0 if data.startswith("\r") else self._column + len(data)
            super().write(data)
            return
        width = get_cwidth(data) or 1
        if _STEADY.fullmatch(data):
            super().write(data)
        elif data in _SPACING_MARKS:  # it joins the letter before it
            super().write(data)
            self.write_raw(self._at(self._column + width))
        else:
            self.write_raw(" " * width + self._at(self._column))
            super().write(data)
            self.write_raw(self._at(self._column + width))
        self._column += width

    @staticmethod
    def _at(column: int) -> str:
        return f"\x1b[{column + 1}G"  # CHA of ECMA-48

    def cursor_forward(self, amount: int) -> None:
        self._column += amount
        super().cursor_forward(amount)

    def cursor_backward(self, amount: int) -> None:
        self._column = max(0, self._column - amount)
        super().cursor_backward(amount)

    def cursor_goto(self, row: int = 0, column: int = 0) -> None:
        self._column = max(0, column - 1)
        super().cursor_goto(row, column)

    def enter_alternate_screen(self) -> None:
        self._column = 0
        super().enter_alternate_screen()

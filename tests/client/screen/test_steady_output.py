from __future__ import annotations

import io

from prompt_toolkit.data_structures import Size
from prompt_toolkit.utils import get_cwidth

from netd.client.core.styled_text import Style
from netd.client.screen.messages_view import fragments
from netd.client.screen.steady_output import SteadyOutput


def written(*cells: str) -> str:
    out = io.StringIO()
    output = SteadyOutput(out, lambda: Size(24, 80))
    output.cursor_forward(3)
    for cell in cells:
        output.write(cell)
    output.flush()
    return out.getvalue().removeprefix("\x1b[3C")


def test_characters_of_certain_width_are_written_as_they_are() -> None:
    assert written("a", "é", "ж", "中", "한", "ש") == "aéж中한ש"


def test_after_another_character_the_column_is_set() -> None:
    assert written("a", "🎉", "b") == "a  \x1b[5G🎉\x1b[7Gb"
    assert written("e\u0301") == " \x1b[4Ge\u0301\x1b[5G"
    assert written("\r\n", "🎉") == "\r\n  \x1b[1G🎉\x1b[3G"


def test_a_spacing_mark_has_a_column_and_follows_its_letter() -> None:
    assert get_cwidth("नि") == 2
    assert written("न", "ि") == " \x1b[4Gन\x1b[5Gि\x1b[6G"


def test_a_mark_at_the_end_of_a_row_is_not_drawn_twice() -> None:
    assert fragments([(Style.PLAIN, "นี่")])[-1] == ("", " ")
    assert fragments([(Style.PLAIN, "ni")]) == [("", "ni")]
    assert fragments([]) == []

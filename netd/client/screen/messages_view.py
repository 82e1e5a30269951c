"""The windows of the full-screen view that show the client's state: lines, bars, members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.controls import UIContent, UIControl
from prompt_toolkit.mouse_events import MouseEvent, MouseEventType
from prompt_toolkit.styles import Style as Styles
from prompt_toolkit.utils import get_cwidth

from netd.client.core.client_state import ClientState
from netd.client.core.event_format import clip
from netd.client.core.mode_changes import prefixes
from netd.client.core.roster import JoinedChannel
from netd.client.core.sanitize import sanitize
from netd.client.core.steady_cells import steady
from netd.client.core.styled_text import Spans, Style, plain_text

STYLES: Final = Styles.from_dict(
    {
        "dim": "ansibrightblack",
        "bold": "bold",
        "mention": "reverse bold",
        "error": "ansired",
        "bar": "reverse",
        "bar.mention": "bold underline",
        "bar.error": "bold",
        **dict(
            zip(
                [f"nick{number}" for number in range(10)],
                ["ansigreen", "ansiyellow", "ansiblue", "ansimagenta", "ansicyan"]
                + [
                    f"ansibright{color}" for color in ("green", "yellow", "blue", "magenta", "cyan")
                ],
                strict=True,
            )
        ),
    }
)
_CLASSES: Final = {style: f"class:{style.value}" if style else "" for style in Style}
_WHEEL: Final = {MouseEventType.SCROLL_UP: 1, MouseEventType.SCROLL_DOWN: -1}
_MIN_MEMBERS_WIDTH: Final = 100
MEMBERS_COLUMNS: Final = 18


def fragments(spans: Spans) -> StyleAndTextTuples:
    """Return spans as prompt_toolkit takes them."""
    shown: StyleAndTextTuples = [(_CLASSES[style], text) for style, text in spans]
    last = plain_text(spans[-1:])[-1:]
    if last and not get_cwidth(last):
        shown.append(("", " "))  # prompt_toolkit draws a mark at the end of a row twice
    return shown


def bar_fragments(spans: Spans) -> StyleAndTextTuples:
    """Return the spans of a bar, which is drawn in reverse: other colours would be unreadable."""
    marked = (Style.MENTION, Style.ERROR)
    return [
        (
            f"class:bar.{style.value}" if style in marked else f"class:bar {_CLASSES[style]}",
            text,
        )
        for style, text in spans
    ]


class RowsControl(UIControl):
    """A window that asks for exactly the rows that it shows."""

    def __init__(
        self,
        rows: Callable[[int, int], Sequence[Spans]],
        *,
        at_bottom: bool = False,
        scroll: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`scroll` is called when the mouse wheel is turned: with 1 for up, -1 for down."""
        self._rows, self._at_bottom, self._scroll = rows, at_bottom, scroll

    def mouse_handler(self, mouse_event: MouseEvent) -> None:
        """Pass the mouse wheel on; ignore everything else."""
        direction = _WHEEL.get(mouse_event.event_type)
        if direction is not None:
            self._scroll(direction)

    def create_content(self, width: int, height: int) -> UIContent:
        rows = list(self._rows(width, height))[:height]
        missing: list[Spans] = [[]] * (height - len(rows))
        shown = [*missing, *rows] if self._at_bottom else [*rows, *missing]
        return UIContent(
            get_line=lambda number: fragments(shown[number]),
            line_count=len(shown),
            show_cursor=False,
        )


class MemberList:
    """The members of the current channel, sorted again only when they have changed."""

    def __init__(self, state: ClientState) -> None:
        self._state = state
        self._sorted_for: tuple[object, int] = (None, 0)
        self._members: list[str] = []

    def is_wanted(self, columns: int) -> bool:
        """Whether a terminal of this width shows the members."""
        return columns >= _MIN_MEMBERS_WIDTH and self._state.current in self._state.roster

    def rows(self, width: int, height: int) -> list[Spans]:
        """Return the rows of the list; the last one counts the members that do not fit."""
        channel = self._state.roster.get(self._state.current)
        if channel is None:
            return []
        ranks = "".join(prefixes(self._state.isupport).values())
        members = self._sorted(channel, ranks)
        shown = members if len(members) <= height else members[: max(0, height - 1)]
        rows: list[Spans] = []
        for name in shown:
            style = Style.DIM if channel.is_away(name.lstrip(ranks)) else Style.PLAIN
            rows.append([(style, clip(steady(sanitize(name)))[:width])])
        if len(shown) < len(members):
            rows.append([(Style.DIM, f"+{len(members) - len(shown)} more")])
        return rows

    def _sorted(self, channel: JoinedChannel, ranks: str) -> list[str]:
        if self._sorted_for[0] is not channel or self._sorted_for[1] != channel.changes:
            self._members = channel.members_by_rank(ranks)
            self._sorted_for = (channel, channel.changes)
        return self._members

"""The callbacks of a surface, for the actions of the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netd.client.core.paste_plan import PastePlan


@dataclass(frozen=True, slots=True)
class Hooks:
    """A callback for each action of the user."""

    on_line: Callable[[str], None]
    """A line was typed: text or a slash command."""
    on_paste: Callable[[PastePlan], None]
    """A text of several lines is to be sent as it is."""
    on_leave: Callable[[], None]
    """The user wants to leave."""
    on_activity: Callable[[], None]
    """A key was pressed."""
    on_switch: Callable[[str], None]
    """Another conversation is to be the current one."""
    on_top: Callable[[], None]
    """The user has scrolled to the first line."""
    prompt: Callable[[], str]
    server: Callable[[], str]
    """The name of the server."""

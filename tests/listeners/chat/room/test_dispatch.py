"""Which lines are quick."""

from __future__ import annotations

import pytest

from netd.listeners.chat.room.dispatch import is_quick
from netd.protocols.lines import Line, Overlong


@pytest.mark.parametrize("line", [b"PING x", b"privmsg #a :b", b"@+a=b;c PRIVMSG #a :b", b"PONG"])
def test_messages_and_pings_are_quick(line: Line) -> None:
    assert is_quick(line)


@pytest.mark.parametrize("line", [b"JOIN #a", b"@a=b", b"", b"PINGS", b"@a ", Overlong(b"PING")])
def test_other_lines_are_not(line: Line) -> None:
    assert not is_quick(line)

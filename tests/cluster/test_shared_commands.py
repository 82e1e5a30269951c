"""Each command is known to be shared by all hosts, or to concern one host alone."""

from __future__ import annotations

import pytest

from netd.listeners.chat.cluster.shared_commands import LOCAL, READING, SHARED, command_of
from netd.listeners.chat.room.commands import COMMANDS


def test_each_command_is_in_one_of_the_tables() -> None:
    assert not SHARED & LOCAL
    assert READING <= LOCAL
    assert COMMANDS.keys() == SHARED | LOCAL


@pytest.mark.parametrize(
    "line", [b"PRIVMSG #a :x", b"privmsg #a :x", b"@a=b  JOIN #a", b":me PART #a", b"@a :me QUIT"]
)
def test_a_shared_line(line: bytes) -> None:
    assert command_of(line) in SHARED


@pytest.mark.parametrize("line", [b"PING x", b"OPER root secret", b"", b"@a", b"\xff\xfe JOIN"])
def test_a_local_line(line: bytes) -> None:
    assert command_of(line) not in SHARED

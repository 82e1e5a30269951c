"""Which typed lines hold a password, so that they are not kept in a file."""

from __future__ import annotations

import re
from typing import Final

_COMMANDS: Final = r"(?:identify|id|login|register|regain|recover|ghost|release|set|passwd|auth)"
_SECRET: Final = re.compile(
    rf"""\s*/(?:
        (?:msg|query|q|notice)\s+\S*serv\S*\s+{_COMMANDS}\b
        | (?:raw|quote)\s+(?:pass|oper|authenticate|register|ns|nickserv)\b
        | (?:oper|pass|ns|nickserv)\b
        | join\s+\S+\s+\S
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def has_secret(line: str) -> bool:
    """Whether a typed line probably has a password or a channel's key."""
    return _SECRET.match(line) is not None

"""How the server at the other end compares names (CASEMAPPING of its RPL_ISUPPORT); pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netd.protocols import irc

_KEY: Final = "CASEMAPPING="
_DEFAULT: Final = "rfc1459"  # where a server says nothing
_TABLES: Final = {
    "rfc1459": str.maketrans("[]\\~", "{}|^"),
    "rfc1459-strict": str.maketrans("[]\\", "{}|"),
    "strict-rfc1459": str.maketrans("[]\\", "{}|"),
}


class Casemap:
    """Folds names: two are the same where their folded forms are."""

    def __init__(self) -> None:
        self._table = _TABLES[_DEFAULT]

    def __call__(self, name: str) -> str:
        """The form in which a nick or channel name is compared."""
        return irc.fold(name).translate(self._table)

    def learn(self, tokens: Sequence[str]) -> bool:
        """Take the mapping from the tokens of a 005, and say whether that changes anything."""
        named = [each.removeprefix(_KEY) for each in tokens if each.startswith(_KEY)]
        if not named:
            return False
        before, self._table = self._table, _TABLES.get(named[-1].lower(), {})
        return self._table != before

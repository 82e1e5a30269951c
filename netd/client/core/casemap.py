"""The server's comparison of nicks and channel names (CASEMAPPING in RPL_ISUPPORT)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netd.protocols import irc

_KEY: Final = "CASEMAPPING="
_DEFAULT: Final = "rfc1459"  # for a server that announces none
_TABLES: Final = {
    "rfc1459": str.maketrans("[]\\~", "{}|^"),
    "rfc1459-strict": str.maketrans("[]\\", "{}|"),
    "strict-rfc1459": str.maketrans("[]\\", "{}|"),
}


class CaseMapping:
    """Folds names: two names are equal if their folded forms are."""

    def __init__(self) -> None:
        self._table = _TABLES[_DEFAULT]

    def __call__(self, name: str) -> str:
        """Return the form in which a nick or channel name is compared."""
        return irc.fold(name).translate(self._table)

    def update(self, tokens: Sequence[str]) -> bool:
        """Adopt the mapping named by the tokens of a 005 reply; return whether it changed."""
        names = [token.removeprefix(_KEY) for token in tokens if token.startswith(_KEY)]
        if not names:
            return False
        before, self._table = self._table, _TABLES.get(names[-1].lower(), {})
        return self._table != before

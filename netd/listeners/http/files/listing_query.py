"""The order, filter, page and format that the query of a request for a listing selects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final
from urllib.parse import parse_qsl, quote_plus

from netd.listeners.http.files.directory_entries import Entries, Entry

_MAX_FILTER: Final = 255  # characters; no name is longer
_MAX_DIGITS: Final = 6  # of a page number


class Sort(Enum):
    """By what a listing is sorted."""

    NAME = "name"
    SIZE = "size"
    TIME = "time"


_KEYS: Final[dict[Sort, Callable[[Entry], float]]] = {
    Sort.SIZE: lambda entry: entry.size,
    Sort.TIME: lambda entry: entry.modified,
}


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """One view of a directory."""

    sort: Sort = Sort.NAME
    is_descending: bool = False
    filter: str = ""
    page: int = 1
    is_json: bool = False

    def select(self, entries: Entries) -> list[Entry]:
        """Return the entries whose names contain the filter, sorted; directories are first."""
        return [*self._order(entries.directories), *self._order(entries.files)]

    def _order(self, entries: list[Entry]) -> list[Entry]:
        if self.filter:
            wanted = self.filter.lower()
            entries = [entry for entry in entries if wanted in entry.name.lower()]
        key = _KEYS.get(self.sort)
        if key is None:
            return entries[::-1] if self.is_descending else entries
        return sorted(entries, key=key, reverse=self.is_descending)

    def on_page(self, page: int) -> ListingQuery:
        """The same view, on another page."""
        return self if page == self.page else replace(self, page=page)

    def sorted_by(self, sort: Sort) -> ListingQuery:
        """The first page in another order: numbers from the largest, or reversed if it is so."""
        is_descending = not self.is_descending if sort is self.sort else sort is not Sort.NAME
        return replace(self, sort=sort, is_descending=is_descending, page=1)

    def format(self) -> str:
        """Format as the query of a URL; `?` selects what a request without a query does."""
        fields = []
        if (self.sort, self.is_descending) != (Sort.NAME, False):
            fields.append(f"sort={self.sort.value}&order={'desc' if self.is_descending else 'asc'}")
        if self.filter:
            fields.append(f"filter={quote_plus(self.filter, errors='surrogateescape')}")
        if self.page > 1:
            fields.append(f"page={self.page}")
        return f"?{'&'.join(fields)}"


_DEFAULT: Final = ListingQuery()


def parse_listing_query(query: bytes) -> ListingQuery:
    """Parse the query of a request; anything else in it is ignored."""
    if not query:
        return _DEFAULT
    pairs = dict(parse_qsl(query.decode("latin-1"), errors="surrogateescape"))
    page = pairs.get("page", "")
    is_number = page.isascii() and page.isdigit() and len(page) <= _MAX_DIGITS
    return ListingQuery(
        sort=next((sort for sort in Sort if sort.value == pairs.get("sort")), Sort.NAME),
        is_descending=pairs.get("order") == "desc",
        filter=pairs.get("filter", "")[:_MAX_FILTER],
        page=max(1, int(page)) if is_number else 1,
        is_json=pairs.get("format") == "json",
    )

"""The room's changes and queries of its database, as values; `storage/` carries them out.

A `Change` is written later, and its command does not wait for it. A `Query` is answered in a later
turn of the loop: a command that needs the result is a generator, and has `yield from ask(query)`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Generic, TypeVar, cast

from netd.errors import NetdError

Result_co = TypeVar("Result_co", covariant=True)


class Change:
    """Base class of a change of the database: a frozen dataclass of plain values.

    Changes are written in the order in which they were made. Each one sets a state ("the marker is
    5"), so that one that is written twice does no harm.
    """

    __slots__ = ()


class Query(Generic[Result_co]):
    """Base class of a question to the database: a frozen dataclass of plain values."""

    __slots__ = ()

    def awaits(self, _change: Change) -> bool:
        """Whether the result can depend on an earlier change, which is not written yet."""
        return True


class QueryFailedError(NetdError):
    """The database gave no answer in time, cannot be read, or there is none."""


Asking = Generator[Query[object], object, Result_co]
"""The steps that ask the database; they return the result."""


def ask(query: Query[Result_co]) -> Asking[Result_co]:
    """Ask the database, in a command that is a generator, with `yield from`.

    All changes that were made before are in the result. In the meantime members and channels may
    have changed or have been removed. Raises QueryFailedError.
    """
    result = yield query
    return cast("Result_co", result)

"""Marks in the annotations of options: conditions for a value, beyond its type.

Bounds are annotated-types' own marks: `Annotated[int, Interval(ge=1, le=64)]`. The marks here
answer pydantic's `__get_pydantic_core_schema__` and `__get_pydantic_json_schema__`. A daemon reads
only the types of its options, so pydantic is imported when a schema is built, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any, ClassVar, Final, TypeVar

Item = TypeVar("Item")


class Table:
    """Base of every dataclass that a table of the configuration is read into."""

    __slots__ = ()

    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid", "strict": True}

    removed_keys: ClassVar[Mapping[str, str]] = {}
    """The keys of earlier versions, with the advice for the error message."""


@dataclass(frozen=True, slots=True)
class NeedsNewWorker:
    """A new value takes effect in a new worker; without this mark the running worker takes it."""


@dataclass(frozen=True, slots=True)
class FromFolder:
    """The value is a path; a relative one begins at the folder of its configuration file."""


HIDDEN: Final = "..."
"""The text that replaces a secret in messages and in `netd config show`."""


@dataclass(frozen=True, slots=True)
class Secret:
    """The value is a password or its hash: messages and the output of commands hide it."""

    def __get_pydantic_core_schema__(self, source: object, handler: Any) -> Any:  # noqa: ANN401 (pydantic's)
        return core_schema().no_info_after_validator_function(_refuse_hidden, handler(source))


@dataclass(frozen=True, slots=True)
class UsedAsIs:
    """The value of a secret is a key: a hash of it would be the key in its place."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that a text has to match."""

    regex: str

    def __get_pydantic_core_schema__(self, source: object, handler: Any) -> Any:  # noqa: ANN401 (pydantic's)
        schema = handler(source)
        assert schema["type"] == "str", "a Pattern stands before other annotations"
        return {**schema, "pattern": self.regex}


@dataclass(frozen=True, slots=True)
class AfterValidator:
    """Calls a function with a value of the right type; the option gets the function's result.

    The function raises ValueError for a value that is not allowed.
    """

    function: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: object, handler: Any) -> Any:  # noqa: ANN401 (pydantic's)
        return core_schema().no_info_after_validator_function(self.function, handler(source))


@dataclass(frozen=True, slots=True)
class SingleItem:
    """Allows a list with one item to be written without brackets."""

    def __get_pydantic_core_schema__(self, source: object, handler: Any) -> Any:  # noqa: ANN401 (pydantic's)
        return core_schema().no_info_before_validator_function(_as_tuple, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:  # noqa: ANN401 (pydantic's)
        array = handler(schema["schema"])
        return {"anyOf": [array["items"], array]}


OneOrMany = Annotated[tuple[Item, ...], SingleItem()]


def _check_file_path(path: str) -> str:
    if path.startswith("~") or "$" in path.partition("/")[0]:
        raise ValueError(f"{path!r} is not expanded as in a shell; write the whole path")
    return path


FilePath = Annotated[str, AfterValidator(_check_file_path), FromFolder()]
"""The path of a file or a directory."""


@dataclass(frozen=True, slots=True, eq=False)
class FromText:
    """Reads a value that the configuration holds as text."""

    parse: Callable[[str], Any]
    """Raises ValueError."""

    hint: str
    """The error for a value that is not text: `is not a network, such as ::1`."""

    json_schema: Mapping[str, str]

    def __get_pydantic_core_schema__(self, _source: object, _handler: Any) -> Any:  # noqa: ANN401 (pydantic's)
        return core_schema().no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> dict[str, Any]:
        return {"type": "string", **self.json_schema}

    def _read(self, value: object) -> object:
        if isinstance(value, str):
            return self.parse(value)
        raise ValueError(self.why_not(value))

    def why_not(self, value: object) -> str:
        """The error for a value that is not text; for a number, as of a port, that of its text."""
        text = str(value)
        if type(value) is int:
            try:
                self.parse(text)
            except ValueError as error:
                return str(error).replace(repr(text), text, 1)
        return f"{text} {self.hint}"


def core_schema() -> ModuleType:
    """Return pydantic's functions that build schemas."""
    from pydantic_core import core_schema  # noqa: PLC0415 (a daemon builds no schema)

    return core_schema


def _refuse_hidden(value: str) -> str:
    """Refuse HIDDEN as a secret: the text comes from the output of `netd config show`."""
    if value == HIDDEN:
        raise ValueError(f"{HIDDEN!r} stands for a secret that is not shown; write the secret")
    return value


def _as_tuple(value: object) -> object:
    """Convert a text or table without brackets to a tuple of one item."""
    if isinstance(value, str | dict):
        return (value,)
    return tuple(value) if isinstance(value, list) else value

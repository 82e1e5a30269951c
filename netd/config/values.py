"""Describes the values that a key may have: `whole number, 1 to 64`."""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from netd.config.address import Address
from netd.config.annotations import Secret, SingleItem, Table
from netd.config.schema import fields_of
from netd.config.units import format_number, quantity_of

_WORDS: Final[dict[object, str]] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Address: "address",
    IPv4Network | IPv6Network: "network",
}


def describe(field: FieldInfo) -> str:
    """The type and the bounds of a key's values."""
    quantity = quantity_of(field.metadata)
    words = quantity.name if quantity else _words(field.annotation)
    if SingleItem() in field.metadata:
        words = f"{_words(get_args(field.annotation)[0])} or {words}"
    return ", ".join(filter(None, (words, _limits(field))))


def tables_in(annotation: object) -> Iterator[type[Table]]:
    """The tables in the type of a key."""
    if _is_table(annotation):
        yield annotation  # type: ignore[misc]  # _is_table has checked it
    for argument in get_args(annotation):
        yield from tables_in(argument)


def is_secret(field: FieldInfo) -> bool:
    """Whether the value of a key, or each item of it, is a secret."""
    return Secret() in field.metadata or _is_secret_type(field.annotation)


def holds_secret(field: FieldInfo) -> bool:
    """Whether the value of a key is a secret, or is a table that has one."""
    inner = (field for table in tables_in(field.annotation) for field in fields_of(table).values())
    return is_secret(field) or any(map(holds_secret, inner))


def _is_secret_type(annotation: object) -> bool:
    if Secret() in getattr(annotation, "__metadata__", ()):
        return True
    return any(map(_is_secret_type, get_args(annotation)))


def _words(annotation: Any) -> str:  # noqa: ANN401 (a type of any form)
    if annotation in _WORDS:
        return _WORDS[annotation]
    if _is_table(annotation):
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _choice([member.value for member in annotation])
    return _compound(annotation)


def _compound(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _choice(arguments)
    if origin is Annotated:
        return _words(arguments[0])
    if origin is tuple:
        return f"list of {_plural(_words(arguments[0]))}"
    if origin is dict:
        return "table"
    if origin in (Union, types.UnionType) and type(None) in arguments:
        return _words(next(type_ for type_ in arguments if type_ is not type(None)))
    raise TypeError(f"{annotation} has no description in words")


def _plural(word: str) -> str:
    return f"{word}es" if word.endswith("s") else f"{word}s"


def _choice(values: Sequence[object]) -> str:
    *others, last = (json.dumps(value) for value in values)
    return f"{', '.join(others)} or {last}" if others else f"only {last}"


def _limits(field: FieldInfo) -> str:
    """`1 to 64`, `at least 1`, `above 0`, `at most 100 characters`; empty for `at least 0`."""
    bounds: dict[str, Any] = {}
    for mark in field.metadata:
        for name in ("ge", "gt", "le", "max_length"):
            if (value := getattr(mark, name, None)) is not None:
                bounds[name] = max(value, bounds.get(name, value))
    low, high = bounds.get("ge"), bounds.get("le")
    if "max_length" in bounds:
        unit = " characters" if field.annotation is str else ""
        return f"at most {bounds['max_length']}{unit}"
    if high is not None:
        first = "at most" if low is None else f"{_number(field, low)} to"
        return f"{first} {_number(field, high)}"
    if "gt" in bounds:
        return f"above {_number(field, bounds['gt'])}"
    return f"at least {_number(field, low)}" if low else ""


def _number(field: FieldInfo, value: float) -> str | float:
    return format_number(field.metadata, value) if value else value


def _is_table(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Table)

"""Converts records (dataclasses) to the plain data of a saved state, and back with all checks.

The fields of a record have the types bool, int, float, str, bytes (text in Latin-1), an enum (the
name of its member), another record, `X | None`, or a tuple of one of these. The data may be that
of another version of netd: unknown keys are ignored, and a field whose key is missing has its
default. The reader is strict otherwise: data that the writer cannot have written is refused.
"""

from __future__ import annotations

import enum
import functools
import math
import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from netd.errors import StateError

R = TypeVar("R")


def save_record(record: object) -> Any:  # noqa: ANN401 (JSON is any)
    """A record, or a value of a field, as JSON data."""
    if isinstance(record, bytes | bytearray | memoryview):
        return str(record, "latin-1")
    if isinstance(record, tuple):
        return [save_record(item) for item in record]
    if isinstance(record, enum.Enum):
        return record.name
    if is_dataclass(record):
        return {field.name: save_record(getattr(record, field.name)) for field in fields(record)}
    return record


def load_record(record_type: type[R], data: object) -> R:
    """The record that `save_record` converted.

    A record checks its own values in `__post_init__`, which raises ValueError. Raises StateError
    with the place of the fault.
    """
    return cast("R", _load(record_type, data, record_type.__name__))


def _load(type_: Any, data: Any, place: str) -> object:  # noqa: ANN401 (any type and its data)
    if is_dataclass(type_) and isinstance(data, dict):
        return _load_fields(type_, data, place)
    origin = get_origin(type_)
    if origin is tuple and isinstance(data, list):
        item_type = get_args(type_)[0]
        return tuple(_load(item_type, item, f"{place}[{i}]") for i, item in enumerate(data))
    if origin in (Union, types.UnionType):
        return _load_first(get_args(type_), data, place)
    try:
        return _load_value(type_, data)
    except (KeyError, ValueError, TypeError) as error:
        raise StateError(f"the saved state is damaged: {place}") from error


def _load_value(type_: Any, data: Any) -> object:  # noqa: ANN401 (as above)
    """Load a single value. Raises KeyError, ValueError or TypeError if it has another type."""
    if isinstance(type_, enum.EnumType) and isinstance(data, str):
        return type_[data]
    if type_ is bytes and isinstance(data, str):
        return data.encode("latin-1")
    if type_ is float and type(data) in (int, float) and math.isfinite(data):
        return float(data)
    if type_ in (bool, int, str, types.NoneType) and type(data) is type_:
        return data
    raise TypeError(f"not of type {type_}")


def _load_first(types_: tuple[Any, ...], data: Any, place: str) -> object:  # noqa: ANN401 (as above)
    """Load data as the type of a union that its JSON type stands for."""
    for type_ in types_:
        if (data is None) == (type_ is types.NoneType) and is_dataclass(type_) == (
            type(data) is dict
        ):
            return _load(type_, data, place)
    raise StateError(f"the saved state is damaged: {place}")


def _load_fields(record_type: Any, data: dict[str, Any], place: str) -> object:  # noqa: ANN401 (as above)
    values = {
        name: _load(type_, data[name], f"{place}.{name}")
        for name, type_ in _types_of(record_type).items()
        if name in data
    }
    missing = [name for name in _required(record_type) if name not in values]
    if missing:
        raise StateError(f"the saved state is damaged: {place} has no {missing[0]}")
    try:
        return record_type(**values)
    except ValueError as error:
        raise StateError(f"the saved state is damaged: {place}: {error}") from error


@functools.cache
def _types_of(record_type: Any) -> dict[str, Any]:  # noqa: ANN401 (as above)
    return get_type_hints(record_type)


@functools.cache
def _required(record_type: Any) -> tuple[str, ...]:  # noqa: ANN401 (as above)
    return tuple(
        field.name
        for field in fields(record_type)
        if field.default is MISSING and field.default_factory is MISSING
    )

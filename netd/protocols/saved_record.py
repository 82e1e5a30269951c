"""Converts records (dataclasses) to the plain data of a saved state, and back with all checks.

The fields of a record have the types bool, int, float, str, bytes (text in Latin-1), an enum (the
name of its member), another record, `X | None`, or a tuple of one of these. Fields that have their
default are left out, so a default may not change once it was released. The data may be that of
another version of netd: unknown keys are ignored. The reader is strict otherwise: data that the
writer cannot have written is refused.
"""

from __future__ import annotations

import enum
import functools
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from netd.errors import StateError

R = TypeVar("R")
Load = Callable[[Any], object]
_MAX_FLOAT: Final = sys.float_info.max


def save_record(record: Any) -> dict[str, Any]:  # noqa: ANN401 (any dataclass)
    """A record as JSON data."""
    return {
        name: _save(value)
        for name, default in _defaults(cast("Any", type(record))).items()
        if (value := getattr(record, name)) != default
    }


def load_record(record_type: type[R], data: object) -> R:
    """The record that `save_record` converted.

    A record checks its own values in `__post_init__`, which raises ValueError. Raises StateError
    with the place of the fault.
    """
    try:
        return cast("R", _loader(cast("Any", record_type))(data))
    except _DamagedError as error:
        place = "".join(reversed(error.place))
        raise StateError(
            f"the saved state is damaged: {record_type.__name__}{place}: {error}"
        ) from None


class _DamagedError(Exception):
    """A value that the writer cannot have written; `place` are the keys to it, the inner first."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.place: list[str] = []


def _save(value: object) -> object:
    match value:
        case bytes():
            return value.decode("latin-1")
        case tuple():
            return [_save(item) for item in value]
        case enum.Enum():
            return value.name
        case bool() | int() | float() | str() | None:
            return value
    return save_record(value)


@functools.cache
def _defaults(record_type: Any) -> dict[str, object]:  # noqa: ANN401 (a dataclass)
    return {field.name: field.default for field in fields(record_type)}


@functools.cache
def _loader(type_: Any) -> Load:  # noqa: ANN401 (any type)
    """The function that loads values of a type. It raises _DamagedError."""
    origin, arguments = get_origin(type_), get_args(type_)
    if is_dataclass(type_):
        return _record_loader(type_)
    if origin is tuple:
        return _tuple_loader(_loader(arguments[0]))
    if origin in (Union, types.UnionType):
        return _union_loader({_json_type(item): _loader(item) for item in arguments})
    if isinstance(type_, enum.EnumType):
        return functools.partial(_load_member, cast("Mapping[str, enum.Enum]", type_.__members__))
    return _LOADERS[type_]


def _json_type(type_: Any) -> type:  # noqa: ANN401 (as above)
    if is_dataclass(type_):
        return dict
    return str if type_ is bytes or isinstance(type_, enum.EnumType) else type_


def _record_loader(record_type: Any) -> Load:  # noqa: ANN401 (as above)
    loaders = {name: _loader(type_) for name, type_ in get_type_hints(record_type).items()}
    required = {name for name, default in _defaults(record_type).items() if default is MISSING}

    def load(data: Any) -> object:  # noqa: ANN401 (unchecked JSON)
        _expect(data, dict)
        if not required <= data.keys():
            raise _DamagedError(f"no {min(required - data.keys())}")
        values = {}
        for name in loaders.keys() & data.keys():
            try:
                values[name] = loaders[name](data[name])
            except _DamagedError as error:
                error.place.append(f".{name}")
                raise
        try:
            return record_type(**values)
        except ValueError as error:
            raise _DamagedError(str(error)) from None

    return load


def _tuple_loader(load_item: Load) -> Load:
    def load(data: Any) -> object:  # noqa: ANN401 (as above)
        items: list[object] = []
        for item in _expect(data, list):
            try:
                items.append(load_item(item))
            except _DamagedError as error:
                error.place.append(f"[{len(items)}]")
                raise
        return tuple(items)

    return load


def _union_loader(loaders: dict[type, Load]) -> Load:
    def load(data: Any) -> object:  # noqa: ANN401 (as above)
        if type(data) not in loaders:
            raise _DamagedError(f"unexpected {type(data).__name__}")
        return loaders[type(data)](data)

    return load


def _load_member(members: Mapping[str, enum.Enum], data: Any) -> object:  # noqa: ANN401 (as above)
    if _expect(data, str) not in members:
        raise _DamagedError(f"unknown {data!r}")
    return members[data]


def _load_bytes(data: Any) -> bytes:  # noqa: ANN401 (as above)
    try:
        return bytes(_expect(data, str), "latin-1")
    except UnicodeEncodeError:
        raise _DamagedError("not Latin-1") from None


def _load_float(data: Any) -> float:  # noqa: ANN401 (as above)
    if type(data) not in (int, float) or not abs(data) <= _MAX_FLOAT:
        raise _DamagedError("not a finite number")
    return float(data)


def _expect(data: Any, type_: type) -> Any:  # noqa: ANN401 (as above)
    if type(data) is not type_:
        raise _DamagedError(f"unexpected {type(data).__name__}")
    return data


_LOADERS: Final[dict[Any, Load]] = {
    bytes: _load_bytes,
    float: _load_float,
    **{
        type_: functools.partial(lambda type_, data: _expect(data, type_), type_)
        for type_ in (bool, int, str, types.NoneType)
    },
}

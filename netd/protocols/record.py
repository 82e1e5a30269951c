"""Converts the attributes of objects to plain data, which JSON can hold, and back.

A `Record` names every attribute of a class: the saved ones with the `Field` that converts them, and
the others with the reason for which they are not saved. A test by reflection compares it with the
class, so that no new attribute is forgotten.

Loading raises ValueError or TypeError if a value is malformed. The caller converts these to
StateError (`refuse_malformed`), and discards the objects that it was loading into.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from netd.errors import StateError

Plain = Any
"""A value of any type; most are values that JSON can hold."""


@dataclass(frozen=True, slots=True)
class Field:
    """The functions that load and save the value of an attribute."""

    load: Callable[[Any], Any]
    """Returns the value. Raises ValueError or TypeError if the data is malformed."""
    save: Callable[[Any], Any] | None = None
    """Returns plain data; None if the value is plain already, and does not change."""


def load_text(data: object) -> str:
    """A string that can be encoded: JSON can hold half of a surrogate pair."""
    if type(data) is not str:
        raise TypeError(f"not a text: {data!r:.50}")
    if not data.isascii():
        data.encode()
    return data


def load_integer(data: object) -> int:
    """A number from 0 to 2 ** 63."""
    if type(data) is not int or not 0 <= data < 1 << 63:
        raise TypeError(f"not a number: {data!r:.50}")
    return data


def load_number(data: object) -> float:
    """A finite number; an integer becomes a float."""
    if type(data) is not float:
        return float(load_integer(data))
    if not math.isfinite(data):
        raise ValueError("not a finite number")
    return data


def load_flag(data: object) -> bool:
    """True or false."""
    if type(data) is not bool:
        raise TypeError(f"neither true nor false: {data!r:.50}")
    return data


def load_bytes(data: object) -> bytes:
    """Bytes, from a text in Latin-1."""
    return load_text(data).encode("latin-1")


def save_bytes(value: bytes) -> str:
    """Bytes as a text in Latin-1."""
    return value.decode("latin-1")


def load_list(data: object) -> list[Any]:
    """A list, whose items are not checked."""
    if type(data) is not list:
        raise TypeError(f"not a list: {data!r:.50}")
    return data


def load_mapping(data: object) -> dict[str, Any]:
    """An object of JSON, whose values are not checked."""
    if type(data) is not dict:
        raise TypeError(f"not an object: {data!r:.50}")
    return data


TEXT: Final = Field(load_text)
INTEGER: Final = Field(load_integer)
NUMBER: Final = Field(load_number)
FLAG: Final = Field(load_flag)
BYTES: Final = Field(load_bytes, save_bytes)


def optional(field: Field) -> Field:
    """A field whose value can be None."""
    load, save = field.load, field.save
    return Field(
        lambda data: None if data is None else load(data),
        save and (lambda value: None if value is None else save(value)),
    )


def list_of(field: Field) -> Field:
    """A list of values."""
    load = field.load
    return Field(
        lambda data: [load(item) for item in load_list(data)],
        lambda values: save_all(field, values),
    )


def mapping_of(field: Field) -> Field:
    """A dict from text to values."""
    load, save = field.load, field.save
    return Field(
        lambda data: {load_text(key): load(item) for key, item in load_mapping(data).items()},
        dict if save is None else lambda values: {key: save(v) for key, v in values.items()},
    )


def name_of(members: type[enum.Enum]) -> Field:
    """A member of an enum, by its name."""
    by_name = members.__members__
    return Field(lambda data: _look_up(by_name, load_text(data)), attrgetter("name"))


def tuple_of(cls: Callable[..., Any], **fields: Field) -> Field:
    """An immutable object as the list of its attributes. A longer list is accepted."""
    loads = [field.load for field in fields.values()]
    saves = [(name, field.save or _unchanged) for name, field in fields.items()]

    def load(data: object) -> Plain:
        items = load_list(data)
        if len(items) < len(loads):
            raise ValueError(f"too short: {data!r:.50}")
        return cls(*[load_item(item) for load_item, item in zip(loads, items, strict=False)])

    def save(value: object) -> list[Any]:
        return [save_item(getattr(value, name)) for name, save_item in saves]

    return Field(load, save)


def fields_of(**fields: Field) -> Field:
    """A dict with these keys, all of which must be there; other keys are left out."""

    def load(data: object) -> dict[str, Any]:
        items = load_mapping(data)
        return {name: field.load(items[name]) for name, field in fields.items()}

    return Field(load)


def save_all(field: Field, values: Iterable[Any]) -> list[Any]:
    """The values as plain data."""
    return list(values) if field.save is None else [field.save(value) for value in values]


class Record:
    """The attributes of a class: those that are saved, and those that are not.

    The key of a saved attribute is its name without a leading underscore.
    """

    def __init__(
        self, cls: type, saved: Mapping[str, Field], unsaved: Mapping[str, str] | None = None
    ) -> None:
        """`unsaved` has the reason for each attribute that is not saved by this record."""
        self.cls = cls
        self.saved = saved
        self.unsaved = unsaved or {}
        keyed = [(name.lstrip("_"), name, field) for name, field in saved.items()]
        self._plain = [(key, name) for key, name, field in keyed if field.save is None]
        self._saves = [(key, name, field.save) for key, name, field in keyed if field.save]
        self._loads = [(key, name, field.load) for key, name, field in keyed]

    def save(self, value: object) -> dict[str, Any]:
        """The saved attributes as plain data."""
        data = {key: getattr(value, name) for key, name in self._plain}
        for key, name, save in self._saves:
            data[key] = save(getattr(value, name))
        return data

    def load(self, data: object) -> dict[str, Any]:
        """The values of the attributes. Missing ones are left out, and unknown ones ignored."""
        items = load_mapping(data)
        return {name: load(items[key]) for key, name, load in self._loads if key in items}

    def load_into(self, value: object, data: object) -> None:
        """Load and set the attributes; one that is missing keeps its value."""
        set_attributes(value, self.load(data))

    def as_field(self, make: Callable[[], Any]) -> Field:
        """The whole object as the value of an attribute of another one; `make` makes a new one."""

        def load(data: object) -> Plain:
            value = make()
            self.load_into(value, data)
            return value

        return Field(load, self.save)

    def as_constant(self, default: object) -> Field:
        """A value that does not change as that of an attribute; those equal to `default` are it."""
        make = type(default)

        def load(data: object) -> Plain:
            value = make(**self.load(data))
            return default if value == default else value

        return Field(load, self.save)


def set_attributes(value: object, attributes: Mapping[str, Any]) -> None:
    """Set attributes that `Record.load` has returned."""
    for name, attribute in attributes.items():
        setattr(value, name, attribute)


@contextmanager
def refuse_malformed(what: str) -> Iterator[None]:
    """Raise StateError in place of the errors that malformed data causes."""
    try:
        yield
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError) as error:
        raise StateError(f"{what}: {type(error).__name__}: {error}") from error


def _look_up(by_name: Mapping[str, Any], name: str) -> Plain:
    if name not in by_name:
        raise ValueError(f"unknown: {name:.50}")
    return by_name[name]


def _unchanged(value: Plain) -> Plain:
    return value

"""Options as JSON-ready data and back, for the pipes between netd's own processes.

Nothing is proved here: what comes back was made by `to_plain` from options that were.
"""

from __future__ import annotations

import enum
import types
from dataclasses import fields, is_dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from netd.config.address import Address

Options = TypeVar("Options")


def to_plain(value: object) -> Any:  # noqa: ANN401 (JSON is any)
    """Tables, lists, texts and numbers that stand for options or one of their values."""
    match value:
        case Address() | IPv4Network() | IPv6Network():
            return str(value)
        case enum.Enum():
            return value.value
        case tuple():
            return [to_plain(each) for each in value]
        case dict():
            return {key: to_plain(each) for key, each in value.items()}
    if is_dataclass(value):
        return {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
    return value


def from_plain(options: type[Options], data: dict[str, Any]) -> Options:
    """The options that `to_plain` was given; a key that is missing has its default."""
    hints = get_type_hints(options)
    return options(**{name: _read(hints[name], value) for name, value in data.items()})


def _read(hint: Any, data: Any) -> Any:  # noqa: ANN401 (a type and a value of any form)
    if hint == IPv4Network | IPv6Network:
        return ip_network(data)
    if isinstance(hint, type) and is_dataclass(hint):
        return Address.parse(data) if hint is Address else from_plain(hint, data)
    if isinstance(hint, enum.EnumType):
        return hint(data)
    return _read_compound(get_origin(hint), get_args(hint), data)


def _read_compound(origin: object, arguments: tuple[Any, ...], data: Any) -> Any:  # noqa: ANN401
    if origin is tuple:
        return tuple(_read(arguments[0], each) for each in data)
    if origin is dict:  # whose keys JSON made texts
        return {arguments[0](key): _read(arguments[1], each) for key, each in data.items()}
    if origin in (Union, types.UnionType):
        return None if data is None else _read(arguments[0], data)
    return data

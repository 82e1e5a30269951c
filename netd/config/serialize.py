"""Converts options to JSON data and back, for the links between netd's own processes.

The data is not validated: it comes from `serialize`, which gets validated options only.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from netd.config.address import Address
from netd.config.model import Config, DaemonOptions, ListenerOptions
from netd.errors import Problem

Options = TypeVar("Options")


def serialize(value: object) -> Any:  # noqa: ANN401 (JSON is any)
    """Options, or a value of an option, as JSON data."""
    match value:
        case Address() | IPv4Network() | IPv6Network():
            return str(value)
        case enum.Enum():
            return value.value
        case tuple():
            return [serialize(item) for item in value]
        case dict():
            return {key: serialize(item) for key, item in value.items()}
    if is_dataclass(value):
        return {entry.name: serialize(getattr(value, entry.name)) for entry in fields(value)}
    return value


def deserialize(options: type[Options], data: dict[str, Any]) -> Options:
    """The options that `serialize` converted; a missing key has its default.

    An unknown key is ignored: another version of netd can have converted the options.
    """
    types_by_name = get_type_hints(options)
    names = [entry.name for entry in fields(options) if entry.name in data]  # type: ignore[arg-type]  # a dataclass
    return options(**{name: _read(types_by_name[name], data[name]) for name in names})


def deserialize_config(kinds: Mapping[str, type[ListenerOptions]], data: dict[str, Any]) -> Config:
    """The configuration that `serialize` converted; `kinds` has the options of each kind."""
    return Config(
        netd=deserialize(DaemonOptions, data["netd"]),
        listeners={
            name: deserialize(kinds[options["kind"]], options)
            for name, options in data["listeners"].items()
        },
        warnings=tuple(Problem(**problem) for problem in data["warnings"]),
    )


def _read(type_: Any, data: Any) -> Any:  # noqa: ANN401 (any type and its data)
    if type_ == IPv4Network | IPv6Network:
        return ip_network(data)
    if isinstance(type_, type) and is_dataclass(type_):
        return Address.parse(data) if type_ is Address else deserialize(type_, data)
    if isinstance(type_, enum.EnumType):
        return type_(data)
    return _read_compound(get_origin(type_), get_args(type_), data)


def _read_compound(origin: object, arguments: tuple[Any, ...], data: Any) -> Any:  # noqa: ANN401
    if origin is tuple:
        if not isinstance(data, list):  # an earlier version of netd has one value here, or none
            data = [data] if data else []
        return tuple(_read(arguments[0], item) for item in data)
    if origin is dict:  # JSON has made a text of every key
        return {arguments[0](key): _read(arguments[1], item) for key, item in data.items()}
    if origin in (Union, types.UnionType):
        return None if data is None else _read(arguments[0], data)
    return data

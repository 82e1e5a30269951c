"""Writes configurations as text: a default file with documentation, and a file of all options."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, get_origin

import tomli_w
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from netd.config.annotations import HIDDEN, NeedsNewWorker, Table
from netd.config.model import Config, DaemonOptions, ListenerOptions
from netd.config.schema import docstrings_of, fields_of
from netd.config.serialize import serialize
from netd.config.source import INCLUDE_HELP
from netd.config.units import format_number
from netd.config.values import describe, is_secret, tables_in

_WIDTH: Final = 92


class DocumentedKind(Protocol):
    """The part of a kind that the documentation uses."""

    @property
    def options(self) -> type[ListenerOptions]:
        """The dataclass of its table."""

    @property
    def example_address(self) -> str:
        """The address in the default file."""


@dataclass(frozen=True, slots=True)
class Key:
    """The documentation of one key of a table."""

    name: str
    default: str  # in TOML; empty if there is none
    description: str
    needs_new_worker: bool
    table: str  # the path of the table that has the key; empty for the outer table
    values: str  # a description of the values that the key may have
    is_required: bool
    is_array_of_tables: bool


def keys(options: type[Table], table: str = "") -> Iterator[Key]:
    """Yield the keys of a table and of the tables inside it."""
    descriptions = docstrings_of(options)
    for name, field in fields_of(options).items():
        inner = _table_inside(field)
        yield Key(
            name=name,
            default=_default(field),
            description=descriptions.get(name, ""),
            needs_new_worker=NeedsNewWorker() in field.metadata,
            table=table,
            values=describe(field),
            is_required=field.is_required(),
            is_array_of_tables=inner is not None and get_origin(field.annotation) is tuple,
        )
        if inner is not None:
            yield from keys(inner, f"{table}.{name}" if table else name)


def default_text(kinds: Mapping[str, DocumentedKind]) -> str:
    """A configuration file that has every key as a comment, with its default and documentation."""
    parts = ["# netd's configuration. Keys that are commented out show their defaults."]
    parts.append(f"# {INCLUDE_HELP}\n# include = []  # text or list of texts")
    parts.append("\n".join(["[netd]", *_commented(DaemonOptions)]))
    for name, kind in kinds.items():
        address = f'address = "{kind.example_address}"'
        head = [f"[listeners.{name}]", f'kind = "{name}"', address]
        parts.append("\n".join([*head, *_commented(kind.options, skip=("kind", "address"))]))
        parts += _commented_tables(kind.options, f"listeners.{name}")
    return "\n\n".join(parts) + "\n"


def effective_text(config: Config) -> str:
    """A configuration file with the value of every option, including defaults, but no secret."""
    listeners = {name: _with_units(options) for name, options in config.listeners.items()}
    return tomli_w.dumps({"netd": _with_units(config.netd), "listeners": listeners})


def _commented(options: type[Table], skip: tuple[str, ...] = ()) -> Iterator[str]:
    for key in keys(options):
        if key.table or key.name in skip:
            continue
        yield ""
        yield from (f"# {line}" for line in textwrap.wrap(key.description, _WIDTH))
        yield f"# {_line(key)}"


def _commented_tables(options: type[Table], prefix: str) -> Iterator[str]:
    """Yield the tables inside a table with their keys, as indented comments."""
    tables: dict[str, list[Key]] = {}
    arrays = set()
    for key in keys(options):
        tables.setdefault(key.table, []).append(key)
        if key.is_array_of_tables:
            arrays.add(f"{key.table}.{key.name}" if key.table else key.name)
    for table in filter(None, tables):
        name = f"[{prefix}.{table}]"
        lines = [f"#   [{name}]" if table in arrays else f"#   {name}"]
        for key in tables[table]:
            wrapped = textwrap.wrap(key.description, _WIDTH)
            lines += ["#", *(f"#   # {line}" for line in wrapped)]
            lines.append(f"#   {_line(key)}")
        yield "\n".join(lines)


def _line(key: Key) -> str:
    """The key with its default and a description of its values: `workers = 1  # ...`."""
    values = f"{key.values}; required" if key.is_required else key.values
    return " ".join(filter(None, (key.name, "=", key.default, f" # {values}")))


def _default(field: FieldInfo) -> str:
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    if value is None:
        return ""
    return _inline(_value_with_units(field, to_jsonable_python(value, fallback=str)))


def _inline(value: object) -> str:
    """A value in TOML on one line."""
    if isinstance(value, dict):
        pairs = (f"{_inline(key)} = {_inline(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _with_units(options: Table) -> dict[str, Any]:
    """The options as TOML data, in which durations and sizes have units."""
    return _table_with_units(type(options), serialize(options))


def _table_with_units(options: type[Table], data: dict[str, Any]) -> dict[str, Any]:
    fields = fields_of(options)
    present = {name: value for name, value in data.items() if value is not None}
    return {name: _value_with_units(fields[name], value) for name, value in present.items()}


def _value_with_units(field: FieldInfo, value: Any) -> Any:  # noqa: ANN401 (TOML data is any)
    if is_secret(field):
        return _hide(value)
    inner = _table_inside(field)
    if inner is not None and isinstance(value, dict) and set(value) <= set(fields_of(inner)):
        return _table_with_units(inner, value)
    if isinstance(value, list):
        return [_value_with_units(field, item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_number(field.metadata, value)
    return value


def _hide(secret: Any) -> Any:  # noqa: ANN401 (TOML data is any)
    """Replace each text by HIDDEN; an empty text means no secret, and stays."""
    if isinstance(secret, dict):
        return {name: _hide(inner) for name, inner in secret.items()}
    return HIDDEN if secret else secret


def _table_inside(field: FieldInfo) -> type[Table] | None:
    return next(tables_in(field.annotation), None)

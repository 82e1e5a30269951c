"""The configuration as text: every key explained, what is in force, and its JSON Schema."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import tomli_w
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from netd.config.annotations import NeedsNewWorker, Table
from netd.config.model import Config, DaemonOptions, ListenerOptions
from netd.config.schema import fields_of
from netd.config.serialize import to_plain
from netd.config.units import format_number
from netd.config.values import describe, tables_in

_WIDTH: Final = 92


class DocumentedKind(Protocol):
    """What documentation needs of a kind."""

    @property
    def options(self) -> type[ListenerOptions]:
        """The dataclass of its table."""

    @property
    def example_address(self) -> str:
        """The address in the default file."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table, as documentation needs it."""

    name: str
    default: str  # as TOML writes it; empty where there is none
    description: str
    needs_new_worker: bool = False
    table: str = ""  # the table or array of tables it belongs to, relative to its model
    values: str = ""  # what it may be set to, in words
    is_required: bool = False


def keys(options: type[Table], table: str = "") -> Iterator[Key]:
    """Every key of a table, and of the tables inside it."""
    for name, field in fields_of(options).items():
        inner = _table_inside(field)
        is_late = NeedsNewWorker() in field.metadata
        text = " ".join((field.description or "").split())
        default, values = _default(field), describe(field)
        yield Key(name, default, text, is_late, table, values, field.is_required())
        if inner is not None:
            yield from keys(inner, f"{table}.{name}" if table else name)


def default_text(kinds: Mapping[str, DocumentedKind]) -> str:
    """A whole commented file: every key with its default and what it does."""
    parts = ["# netd's configuration. Keys that are commented out show their defaults."]
    parts.append("\n".join(["[netd]", *_commented(DaemonOptions)]))
    for name, kind in kinds.items():
        address = f'address = "{kind.example_address}"'
        head = [f"[listeners.{name}]", f'kind = "{name}"', address]
        parts.append("\n".join([*head, *_commented(kind.options, skip=("kind", "address"))]))
        parts += _commented_tables(kind.options, f"listeners.{name}")
    return "\n\n".join(parts) + "\n"


def effective_text(config: Config) -> str:
    """What is in force, defaults included; reads back as the same configuration."""
    listeners = {name: _readable(options) for name, options in config.listeners.items()}
    return tomli_w.dumps({"netd": _readable(config.netd), "listeners": listeners})


def _commented(options: type[Table], skip: tuple[str, ...] = ()) -> Iterator[str]:
    for key in keys(options):
        if key.table or key.name in skip:
            continue
        yield ""
        yield from (f"# {line}" for line in textwrap.wrap(key.description, _WIDTH))
        yield f"# {_line(key)}"


def _commented_tables(options: type[Table], prefix: str) -> Iterator[str]:
    """Each table inside, indented apart from the keys of the table around it."""
    tables: dict[str, list[Key]] = {}
    arrays = set()
    for key in keys(options):
        tables.setdefault(key.table, []).append(key)
        if key.default.startswith("["):
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
    """The key with its default, and what it may be set to: `workers = 1  # ...`."""
    values = f"{key.values}; required" if key.is_required else key.values
    return " ".join(filter(None, (key.name, "=", key.default, f" # {values}")))


def _default(field: FieldInfo) -> str:
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    if value is None:
        return ""
    return _inline(_written(field, to_jsonable_python(value, fallback=str)))


def _inline(value: object) -> str:
    """A value on one line, as TOML writes it."""
    if isinstance(value, dict):
        pairs = (f"{_inline(key)} = {_inline(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _readable(options: Table) -> dict[str, Any]:
    """The options as TOML data, with durations and sizes as people write them."""
    return _written_table(type(options), to_plain(options))


def _written_table(options: type[Table], data: dict[str, Any]) -> dict[str, Any]:
    fields = fields_of(options)
    present = {name: value for name, value in data.items() if value is not None}
    return {name: _written(fields[name], value) for name, value in present.items()}


def _written(field: FieldInfo, value: Any) -> Any:  # noqa: ANN401 (TOML data is any)
    inner = _table_inside(field)
    if inner is not None and isinstance(value, dict) and set(value) <= set(fields_of(inner)):
        return _written_table(inner, value)
    if isinstance(value, list):
        return [_written(field, each) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_number(field.metadata, value)
    return value


def _table_inside(field: FieldInfo) -> type[Table] | None:
    return next(tables_in(field.annotation), None)

"""Reads tables of the configuration into their dataclasses, and lists the keys of a table.

Only the process that reads or explains a configuration imports this module. The daemon does not,
because pydantic and its schemas need more memory than a worker.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar, get_type_hints

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from netd.config.annotations import Table

Options = TypeVar("Options", bound=Table)

_ADAPTERS: Final[dict[type[Table], TypeAdapter[Any]]] = {}
_FIELDS: Final[dict[type[Table], Mapping[str, FieldInfo]]] = {}


def read_options(options: type[Options], table: object) -> Options:
    """The options that a table of the configuration holds. Raises pydantic's ValidationError.

    The table is read as JSON: pydantic's strict mode then takes no text for a number and no 1 for
    true, but takes a list for a tuple and a text for an enumeration's value.
    """
    if options not in _ADAPTERS:
        _ADAPTERS[options] = TypeAdapter(options)
    adapter: TypeAdapter[Options] = _ADAPTERS[options]
    return adapter.validate_json(json.dumps(table, default=str))


def fields_of(options: type[Table]) -> Mapping[str, FieldInfo]:
    """The keys of a table with their types, marks and defaults."""
    if options not in _FIELDS:
        _FIELDS[options] = _inspect_fields(options)
    return _FIELDS[options]


def _inspect_fields(options: Any) -> dict[str, FieldInfo]:  # noqa: ANN401 (a dataclass)
    hints = get_type_hints(options, include_extras=True)
    return {
        entry.name: FieldInfo.from_annotated_attribute(hints[entry.name], entry)
        for entry in fields(options)
    }


def docstrings_of(options: type[Table]) -> dict[str, str]:
    """The docstring below each field, on one line, in the class and in its base classes.

    It is read from the source file, so a running daemon, whose file may be that of another version
    by now, does not call this. pydantic's `use_attribute_docstrings` does not find docstrings in
    base classes and, in pydantic 2.10, finds none in a standard dataclass.
    """
    found: dict[str, str] = {}
    for base in reversed(options.__mro__):
        if issubclass(base, Table):
            found |= _docstrings_in(base)
    return found


def _docstrings_in(options: type[Table]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(options)))
    definition = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    found = {}
    for statement, following in itertools.pairwise(definition.body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                found[name] = " ".join(text.split())
    return found

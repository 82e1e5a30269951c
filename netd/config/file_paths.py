"""Completes relative paths in options: they begin at the folder of their configuration file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar, get_args

from pydantic.fields import FieldInfo

from netd.config.annotations import FromFolder, Table
from netd.config.schema import fields_of
from netd.config.toml import Path

Options = TypeVar("Options", bound=Table)
_NO_PATHS: Final = ("", "-")
FolderOf = Callable[[Path], str]
"""The folder of the file in which a key is written."""


def with_whole_paths(options: Options, path: Path, folder_of: FolderOf) -> Options:
    """The options with absolute paths in the fields marked FromFolder; `path` is their table's.

    Empty texts and `-` (standard error) stay as they are.
    """
    changed = {}
    for name, field in fields_of(type(options)).items():
        value = getattr(options, name)
        here = (*path, name)
        is_path = isinstance(value, str) and value not in _NO_PATHS and _is_file_path(field)
        whole = os.path.join(folder_of(here), value) if is_path else _inside(value, here, folder_of)
        if whole is not value:
            changed[name] = whole
    return replace(options, **changed) if changed else options  # type: ignore[type-var]  # a dataclass


def _is_file_path(field: FieldInfo) -> bool:
    marks = [*field.metadata]
    for member in get_args(field.annotation):  # of FilePath | None
        marks += getattr(member, "__metadata__", ())
    return FromFolder() in marks


def _inside(value: Any, path: Path, folder_of: FolderOf) -> Any:  # noqa: ANN401 (a value of any option)
    """The value with absolute paths in the tables in it."""
    if isinstance(value, Table):
        return with_whole_paths(value, path, folder_of)
    if isinstance(value, tuple):
        whole = tuple(_inside(item, (*path, at), folder_of) for at, item in enumerate(value))
        return whole if any(map(_differ, whole, value)) else value
    return value


def _differ(one: object, other: object) -> bool:
    return one is not other

"""Error messages for a configuration: the value that was found, and the values allowed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from netd.config.annotations import HIDDEN, FromText, SingleItem, Table
from netd.config.schema import fields_of
from netd.config.toml import Path
from netd.config.units import format_number
from netd.config.values import holds_secret, is_secret, tables_in

_SHOWN_CHARACTERS: Final = 60
_MIN_PREFIX_LENGTH: Final = 3
_EXPECTED_TYPES: Final = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number, or a duration such as 10s",
    "finite": "a finite number",
    "string": "text in quotes",
    "dict": "a table",
    "dataclass": "a table",
}
_NAMES_ELSEWHERE: Final = {  # keys of nginx, Apache, xinetd, ngircd and Ergo, and ours
    "bind": "address",
    "cert": "certificate",
    "disable": "deny",
    "docroot": "directory",
    "documentroot": "directory",
    "instances": "max_connections",
    "keyfile": "key",
    "listen": "address",
    "location": "path",
    "log": "access_log",
    "max_clients": "max_connections",
    "only_from": "allow",
    "port": "address",
    "return": "redirect",
    "root": "directory",
    "server_name": "host",
    "type": "kind",
    "worker_connections": "max_connections",
    "worker_processes": "workers",
}
Render = Callable[[object, dict[str, Any], FieldInfo | None], str]


def suggest(found: str, allowed: Sequence[str]) -> str:
    """`; did you mean 'workers'?`, or an empty text if no allowed name is similar."""
    close = [name for name in allowed if found.startswith(f"{name}_")]
    close += [name for name in allowed if name == _NAMES_ELSEWHERE.get(found.lower())]
    close += difflib.get_close_matches(found.lower(), allowed, n=1, cutoff=0.7)
    if len(found) >= _MIN_PREFIX_LENGTH:
        close += [name for name in allowed if name.startswith(found)]
    return f"; did you mean {close[0]!r}?" if close else ""


def explain(
    error: ValidationError, options: type[Table], table: object
) -> Iterator[tuple[Path, str]]:
    """Yield the path inside the table and the message of every fault."""
    seen = set()
    for detail in error.errors(include_url=False):
        path = _path_in(table, detail)
        if path not in seen and not _counts_faulty_items(detail):
            # a value whose type is a union fails for every member of it
            seen.add(path)
            yield path, _message(detail, options, path)


def _message(detail: ErrorDetails, options: type[Table], path: Path) -> str:
    kind, bounds = detail["type"], detail.get("ctx", {})
    found = _without_secrets(detail["input"], options, path)
    field = _field_at(options, path)
    if kind == "missing":
        return "is missing"
    if kind == "unexpected_keyword_argument":
        return _unknown_key(options, path)
    for key, render in _RENDER.items():
        if kind.startswith(key):
            return render(found, bounds, field)
    expected = _EXPECTED_TYPES.get(kind.split("_")[0])
    if expected is None:
        return f"{_show(found)}: {detail['msg']}"
    return f"expected {expected}{_example(field)}, found {_show(found)}"


def _without_secrets(found: object, options: type[Table], path: Path) -> object:
    """The value for a message, in which HIDDEN replaces each text that may be a secret."""
    on_path = (_field_at(options, path[:length]) for length in range(1, len(path) + 1))
    fields = [field for field in on_path if field is not None]
    if any(map(is_secret, fields)):
        return HIDDEN
    if fields and holds_secret(fields[-1]):  # as in opers = "name:password"
        match found:
            case str():
                return HIDDEN
            case list():
                return [HIDDEN]
            case dict():
                return {HIDDEN: HIDDEN}
    return found


def _unknown_key(options: type[Table], path: Path) -> str:
    key, table = str(path[-1]), _table_at(options, path[:-1])
    if key in table.removed_keys:
        return f"was removed; {table.removed_keys[key]}"
    if table is not options and key in fields_of(options):
        inner = f"[[...{path[0]}]]" if isinstance(path[1], int) else f"[...{path[0]}]"
        return f"is a key of the listener itself; write it above the first {inner}"
    return f"unknown key{suggest(key, tuple(fields_of(table)))}"


def _bound(relation: str, name: str) -> Render:
    """Make a message for a number beyond a limit, with the limit in the unit of the field."""

    def render(found: object, ctx: dict[str, Any], field: FieldInfo | None) -> str:
        limit = ctx[name]
        shown = format_number(field.metadata, limit) if field and limit else limit
        return f"{_show(found)} is {relation} {shown}"

    return render


def _not_allowed(found: object, ctx: dict[str, Any], _: FieldInfo | None) -> str:
    allowed = ctx["expected"].replace("True", "true")  # as TOML writes it
    return f"{_show(found)} is not allowed; write {allowed}"


def _no_match(found: object, ctx: dict[str, Any], field: FieldInfo | None) -> str:
    """The message for a text that does not match, with an example if there is one."""
    if {"\r", "\n"} & set(str(found)):
        return f"{_show(found)} must be one line"
    if ctx["pattern"].startswith(("^/", "^(/")) and not str(found).startswith("/"):
        return f"{_show(found)} must begin with /"
    if field and isinstance(field.default, str) and field.default:
        return f"{_show(found)} is not allowed; write it as in {_show(field.default)}"
    return f"{_show(found)} does not fit {ctx['pattern']}"


def _not_a_list(found: object, _: dict[str, Any], field: FieldInfo | None) -> str:
    if field and SingleItem() in field.metadata:
        if any(tables_in(field.annotation)):
            return f"expected a table{_example(field)}, found {_show(found)}"
        forms = [mark for mark in _item_marks(field) if isinstance(mark, FromText)]
        if forms and not isinstance(found, bool | dict):  # as for address = 80
            return forms[0].why_not(found)
        return f"expected text in quotes or a list of them, found {_show(found)}"
    if isinstance(found, dict):
        return "expected a list of tables; write its name in double brackets, as in [[NAME]]"
    return f"expected a list, found {_show(found)}"


_RENDER: Final[dict[str, Render]] = {
    "value_error": lambda _, ctx, __: str(ctx["error"]),
    "assertion_error": lambda _, ctx, __: str(ctx["error"]),
    "literal_error": _not_allowed,
    "enum": _not_allowed,
    "greater_than_equal": _bound("below", "ge"),
    "greater_than": _bound("not above", "gt"),
    "less_than_equal": _bound("above", "le"),
    "less_than": _bound("not below", "lt"),
    "string_pattern_mismatch": _no_match,
    "tuple_type": _not_a_list,
    "list_type": _not_a_list,
    "too_short": lambda _, ctx, __: f"needs at least {ctx['min_length']}",
    "too_long": lambda _, ctx, __: f"takes at most {ctx['max_length']}",
}


def _item_marks(field: FieldInfo) -> Sequence[object]:
    """The marks of the items of a list."""
    return getattr(get_args(field.annotation)[0], "__metadata__", ())


def _example(field: FieldInfo | None) -> str:
    """` such as "0666"`: the default of a field that needs a text, or a table's required keys."""
    if field is None:
        return ""
    if isinstance(field.default, str):
        return f" such as {_show(field.default)}" if field.default else ""
    needed = [
        f'{name} = "..."'
        for table in tables_in(field.annotation)
        for name, inner in fields_of(table).items()
        if inner.is_required()
    ]
    return f", as in {{ {', '.join(needed)} }}" if needed else ""


def _counts_faulty_items(detail: ErrorDetails) -> bool:
    """Whether a list is too short only because of items with faults of their own."""
    found = detail["input"]
    return (
        detail["type"] == "too_short"
        and isinstance(found, list | tuple)
        and len(found) >= detail["ctx"]["min_length"]
    )


def _path_in(table: object, detail: ErrorDetails) -> Path:
    """The location of an error without the steps that pydantic adds for types and functions."""
    path: list[str | int] = []
    for step in detail["loc"]:
        if _holds(table, step):
            table = table[step]  # type: ignore[index]  # _holds has checked it
        elif step != detail["loc"][-1] or not isinstance(table, dict):
            continue
        path.append(step)
    return tuple(path)


def _holds(table: object, step: str | int) -> bool:
    if isinstance(table, list):
        return isinstance(step, int) and step < len(table)
    return isinstance(table, dict) and step in table


def _table_at(options: type[Table], path: Path) -> type[Table]:
    for step in path:
        field = fields_of(options).get(str(step))
        options = next(tables_in(field.annotation), options) if field else options
    return options


def _field_at(options: type[Table], path: Path) -> FieldInfo | None:
    """The field at a path, or the field whose value contains the item at the path."""
    names = [(number, step) for number, step in enumerate(path) if isinstance(step, str)]
    if not names:  # the path of the table itself
        return None
    number, name = names[-1]
    return fields_of(_table_at(options, path[:number])).get(name)


def _show(value: object) -> str:
    """The value as in TOML, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str | list | dict) else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."

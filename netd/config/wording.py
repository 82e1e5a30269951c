"""A configuration's faults in plain words: what was found and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netd.config.locator import Path

_SHOWN_CHARACTERS: Final = 60
_NEEDS: Final = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number, or a duration such as 10s",
    "string": "text in quotes",
    "tuple": "a list",
    "list": "a list",
    "dict": "a table",
    "model": "a table",
}
_BOUNDS: Final = {
    "greater_than_equal": ("below", "ge"),
    "greater_than": ("not above", "gt"),
    "less_than_equal": ("above", "le"),
    "less_than": ("not below", "lt"),
}


def suggest(found: str, allowed: Sequence[str]) -> str:
    """`; did you mean 'workers'?`, or nothing where no name is close."""
    close = difflib.get_close_matches(found, allowed, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def explain(
    error: ValidationError, model: type[BaseModel], table: object
) -> Iterator[tuple[Path, str]]:
    """Each fault once, with its path inside the table."""
    seen = set()
    for detail in error.errors(include_url=False):
        path = _path_in(table, detail)
        if path not in seen:  # a value that may be of two types fails once for each
            seen.add(path)
            yield path, _message(detail, model, path)


def _message(detail: ErrorDetails, model: type[BaseModel], path: Path) -> str:
    kind, found, bounds = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        keys = tuple(_model_at(model, path[:-1]).model_fields)
        return f"unknown key{suggest(str(path[-1]), keys)}"
    if kind in _BOUNDS:
        how, bound = _BOUNDS[kind]
        return f"{_show(found)} is {how} {bounds[bound]:g}"
    for key, render in _RENDER.items():
        if kind.startswith(key):
            return render(found, bounds)
    need = _NEEDS.get(kind.split("_")[0])
    return f"expected {need}, found {_show(found)}" if need else f"{_show(found)}: {detail['msg']}"


_RENDER: Final[dict[str, Callable[[object, dict[str, Any]], str]]] = {
    "value_error": lambda _, ctx: str(ctx["error"]),
    "assertion_error": lambda _, ctx: str(ctx["error"]),
    "literal_error": lambda found, ctx: f"{_show(found)} is not allowed; write {ctx['expected']}",
    "string_pattern_mismatch": lambda found, ctx: f"{_show(found)} does not fit {ctx['pattern']}",
    "too_short": lambda _, ctx: f"needs at least {ctx['min_length']}",
    "too_long": lambda _, ctx: f"takes at most {ctx['max_length']}",
    "ip_": lambda found, _: f"{_show(found)} is no network, such as 10.0.0.0/8 or ::1",
}


def _path_in(table: object, detail: ErrorDetails) -> Path:
    """The error's location without the steps that only the models know."""
    path: list[str | int] = []
    for step in detail["loc"]:
        if _holds(table, step):
            table = table[step]  # type: ignore[index]  # _holds has looked
        elif step != detail["loc"][-1] or not isinstance(table, dict):
            continue
        path.append(step)
    return tuple(path)


def _holds(table: object, step: str | int) -> bool:
    if isinstance(table, list):
        return isinstance(step, int) and step < len(table)
    return isinstance(table, dict) and step in table


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    for step in path:
        if isinstance(step, str) and step in model.model_fields:
            model = next(_models_in(model.model_fields[step].annotation), model)
    return model


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def _show(value: object) -> str:
    """The value as TOML writes it, cut short."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."

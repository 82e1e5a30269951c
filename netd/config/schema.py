"""The options' dataclasses as pydantic models, which prove what a person wrote.

Only whoever reads or explains a configuration imports this; the daemon that runs it does not,
for pydantic and its models weigh more than a worker.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from dataclasses import Field as DataField
from ipaddress import ip_network
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    WithJsonSchema,
    create_model,
)

from netd.config.address import Address
from netd.config.annotations import Form, Shape, Unit, Via
from netd.config.model import Network
from netd.config.units import parse_duration, parse_size, pattern_of

Options = TypeVar("Options")
_MODELS: Final[dict[type, type[BaseModel]]] = {}


def read_options(options: type[Options], table: object) -> Options:
    """The options a table of the configuration stands for. Raises pydantic's ValidationError.

    Strict, as JSON: text is no number and 1 is not true, but a list may be a tuple.
    """
    adapter: TypeAdapter[Options] = TypeAdapter(_translate(options))
    return adapter.validate_json(json.dumps(table, default=str), strict=True)


def model_of(options: type) -> type[BaseModel]:
    """The model of a table: the dataclass's own fields, defaults, marks and docstrings."""
    if options not in _MODELS:
        _MODELS[options] = _build(options)
    return _MODELS[options]


def _build(options: Any) -> type[BaseModel]:  # noqa: ANN401 (a dataclass)
    told = _documentation(options)
    hints = get_type_hints(options, include_extras=True)
    definitions: dict[str, Any] = {
        each.name: (_translate(hints[each.name]), _field(each, told.get(each.name)))
        for each in fields(options)
    }
    model = create_model(
        options.__name__, __base__=_Table, __doc__=inspect.getdoc(options), **definitions
    )
    model.options = options
    return model


class _Table(BaseModel):
    """What every model has in common: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")
    options: ClassVar[type]


def _make(table: _Table) -> object:
    """The options a proven table stands for; those of the tables inside are made already."""
    return table.options(**dict(table))


def _field(field: DataField[Any], description: str | None) -> Any:  # noqa: ANN401 (pydantic's)
    if field.default_factory is not MISSING:
        return Field(default_factory=field.default_factory, description=description)
    default = ... if field.default is MISSING else field.default
    return Field(default=default, description=description)


def _documentation(options: type) -> dict[str, str]:
    """The text below each field, in the class and in those it derives from."""
    found: dict[str, str] = {}
    for each in filter(is_dataclass, reversed(options.__mro__)):
        tree = ast.parse(textwrap.dedent(inspect.getsource(each)))
        body = tree.body[0].body  # type: ignore[attr-defined]  # a class has one
        for field, text in itertools.pairwise(body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(words))):
                    found[name] = inspect.cleandoc(words)
    return found


# From the types and marks of plain data to those pydantic knows


def _translate(hint: Any) -> Any:  # noqa: ANN401 (a type of any form)
    origin, arguments = get_origin(hint), get_args(hint)
    if hint == Network:
        return _NETWORK
    if isinstance(hint, type) and is_dataclass(hint):
        return _ADDRESS if hint is Address else Annotated[model_of(hint), AfterValidator(_make)]
    if origin is Annotated:
        inner = _translate(arguments[0])
        marks = (meaning for mark in arguments[1:] for meaning in _translate_mark(mark, inner))
        return Annotated[inner, *marks]
    if origin is Literal or not arguments:
        return hint
    inside = tuple(each if each is ... else _translate(each) for each in arguments)
    if origin in (Union, types.UnionType):
        return Union[inside]  # noqa: UP007 (of a type known only now)
    return origin[inside]


def _translate_mark(mark: object, inner: Any) -> Iterator[object]:  # noqa: ANN401
    """The mark itself, for those who put values into words, and what pydantic does about it."""
    yield mark
    match mark:
        case Form(pattern):
            yield Field(pattern=pattern)
        case Via(function):
            yield AfterValidator(function)
        case Shape.ONE_OR_MANY:
            item = get_args(inner)[0]
            yield BeforeValidator(_one_or_many, json_schema_input_type=item | inner)
        case Unit():
            yield from _UNITS[mark]


def _one_or_many(value: object) -> object:
    """Let a list's only member stand alone, as in `address = "tcp://[::]:80"`."""
    if isinstance(value, str | dict):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _read_address(value: object) -> object:
    if isinstance(value, str):
        return Address.parse(value)
    raise ValueError(f"{value!r} is no address; write one as in tcp://127.0.0.1:7000")


def _read_network(value: object) -> Network:
    try:
        if isinstance(value, str):
            return ip_network(value)
    except ValueError:
        pass  # told below, as for what is no text
    raise ValueError(f"{value!r} is no network, such as 10.0.0.0/8 or ::1")


def _quantity(parse: Callable[[str], float], wanted: str) -> BeforeValidator:
    """Read text with a unit; a bare number is left as it is."""

    def read(value: object) -> object:
        if isinstance(value, bool):  # which Python takes for a number
            raise ValueError(f"expected {wanted}, found {str(value).lower()}")  # noqa: TRY004
        return parse(value) if isinstance(value, str) else value

    return BeforeValidator(read)


_ADDRESS: Final = Annotated[
    Address,
    PlainValidator(_read_address),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^(tcp|udp|unix|unixgram)://"}),
]
_NETWORK: Final = Annotated[
    Network,
    PlainValidator(_read_network),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "ipnetwork"}),
]
_UNITS: Final[dict[Unit, tuple[object, ...]]] = {
    Unit.DURATION: (
        _quantity(parse_duration, "a duration, such as 10s"),
        Field(allow_inf_nan=False),
        WithJsonSchema(
            {"type": ["string", "number"], "minimum": 0, "pattern": pattern_of(Unit.DURATION)}
        ),
    ),
    Unit.SIZE: (
        _quantity(parse_size, "a size, such as 64KiB"),
        WithJsonSchema(
            {"type": ["string", "integer"], "minimum": 0, "pattern": pattern_of(Unit.SIZE)}
        ),
    ),
}

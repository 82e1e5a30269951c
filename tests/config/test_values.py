from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Le, MaxLen

from netd.config.annotations import Table
from netd.config.model import Addresses, Networks
from netd.config.schema import fields_of
from netd.config.units import Duration, Size
from netd.config.values import describe, is_secret, tables_in
from netd.listeners.kinds import KINDS


class Color(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner(Table):
    x: int


@dataclass(frozen=True)
class Everything(Table):
    whole: int
    bounded: Annotated[int, Interval(ge=1, le=64)]
    least: Annotated[int, Ge(2)]
    most: Annotated[int, Le(9)]
    natural: Annotated[int, Ge(0)]
    number: Annotated[float, Gt(0)]
    flag: bool
    text: str
    short: Annotated[str, MaxLen(5)]
    duration: Duration
    patience: Annotated[Duration, Ge(90)]
    size: Annotated[Size, Ge(4096)]
    level: Literal["low", "high", "none"]
    fixed: Literal[True]
    color: Color
    addresses: Addresses
    networks: Networks
    few: Annotated[tuple[str, ...], MaxLen(3)]
    table: Inner | None
    tables: tuple[Inner, ...]
    mapping: dict[str, int]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("whole", "whole number"),
        ("bounded", "whole number, 1 to 64"),
        ("least", "whole number, at least 2"),
        ("most", "whole number, at most 9"),
        ("natural", "whole number"),
        ("number", "number, above 0"),
        ("flag", "true or false"),
        ("text", "text"),
        ("short", "text, at most 5 characters"),
        ("duration", "duration"),
        ("patience", "duration, at least 90s"),
        ("size", "size, at least 4KiB"),
        ("level", '"low", "high" or "none"'),
        ("fixed", "only true"),
        ("color", '"red" or "blue"'),
        ("addresses", "address or list of addresses"),
        ("networks", "network or list of networks"),
        ("few", "list of texts, at most 3"),
        ("table", "table"),
        ("tables", "list of tables"),
        ("mapping", "table"),
    ],
)
def test_values_in_words(name: str, words: str) -> None:
    assert describe(fields_of(Everything)[name]) == words


def test_a_type_without_a_description_is_an_error() -> None:
    @dataclass(frozen=True)
    class Odd(Table):
        x: complex

    with pytest.raises(TypeError, match="no description in words"):
        describe(fields_of(Odd)["x"])


def tables_of(options: type[Table]) -> set[type[Table]]:
    """A table and all tables inside it."""
    inner = {t for field in fields_of(options).values() for t in tables_in(field.annotation)}
    return {options}.union(*map(tables_of, inner))


@pytest.mark.parametrize("kind", KINDS)
def test_every_password_is_marked_as_a_secret(kind: str) -> None:
    for table in tables_of(KINDS[kind].options):
        for name, field in fields_of(table).items():
            assert is_secret(field) == (name in ("password", "users", "cloak_key", "token")), (
                f"{table}.{name}"
            )

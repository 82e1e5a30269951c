from __future__ import annotations

import enum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, Field

from netd.config.address import AddressField
from netd.config.model import Networks, one_or_many
from netd.config.unit import Duration, Size
from netd.config.value import describe


class Color(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Table(BaseModel):
    x: int


class Everything(BaseModel):
    whole: int
    bounded: Annotated[int, Field(ge=1, le=64)]
    least: Annotated[int, Field(ge=2)]
    most: Annotated[int, Field(le=9)]
    natural: Annotated[int, Field(ge=0)]
    number: Annotated[float, Field(gt=0)]
    flag: bool
    text: str
    short: Annotated[str, Field(max_length=5)]
    duration: Duration
    patience: Annotated[Duration, Field(ge=90)]
    size: Annotated[Size, Field(ge=4096)]
    level: Literal["low", "high", "none"]
    fixed: Literal[True]
    color: Color
    addresses: Annotated[tuple[AddressField, ...], BeforeValidator(one_or_many)]
    networks: Networks
    few: Annotated[tuple[str, ...], Field(max_length=3)]
    table: Table | None
    tables: tuple[Table, ...]
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
    assert describe(Everything.model_fields[name]) == words


def test_a_type_without_a_name_is_a_fault_of_ours() -> None:
    class Odd(BaseModel):
        x: complex

    with pytest.raises(TypeError, match="no name for people"):
        describe(Odd.model_fields["x"])

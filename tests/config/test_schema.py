from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge
from pydantic import ValidationError

from netd.config.address import Address
from netd.config.annotations import AfterValidator, OneOrMany, Pattern, Table
from netd.config.model import Addresses, Network, Networks
from netd.config.schema import docstrings_of, fields_of, read_options
from netd.config.serialize import deserialize, serialize
from netd.config.units import DURATION, Duration, Size


class Color(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Inner(Table):
    """A table inside."""

    one: str | None = None
    """The first."""

    other: Literal[True] | None = None
    """The second,
    on two lines."""

    def __post_init__(self) -> None:
        if (self.one is None) == (self.other is None):
            raise ValueError("exactly one of one, other")


@dataclass(frozen=True, kw_only=True)
class Outer(Table):
    """A table."""

    address: Addresses
    """Inherited."""

    color: Color = Color.RED
    wait: Duration = 1.0
    most: Annotated[Size, Ge(64)] = 1024
    names: OneOrMany[str] = ()
    loud: Annotated[str, Pattern("^[a-z]*$"), AfterValidator(str.upper)] = ""
    networks: Networks = ()
    pages: dict[int, str] = field(default_factory=dict)
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Derived(Outer):
    """One that adds."""

    count: int = 0
    """How many."""


TABLE: dict[str, Any] = {
    "address": "tcp://[::1]:80",
    "color": "blue",
    "wait": "1500ms",
    "most": "1KiB",
    "names": "one",
    "loud": "abc",
    "networks": ["10.0.0.0/8", "::1"],
    "pages": {"404": "x"},
    "inner": {"one": "a"},
    "many": [{"other": True}, {"one": "b"}],
    "count": 3,
}


def faults(**changed: object) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        read_options(Derived, {**TABLE, **changed})
    return [(error["loc"], error["type"]) for error in caught.value.errors()]


def test_a_table_is_read_into_its_dataclass() -> None:
    options = read_options(Derived, TABLE)
    assert type(options) is Derived
    assert options.address == (Address.parse("tcp://[::1]:80"),)
    assert (options.color, options.wait, options.most) == (Color.BLUE, 1.5, 1024)
    assert (options.names, options.loud, options.pages) == (("one",), "ABC", {404: "x"})
    assert options.inner == Inner(one="a")
    assert options.many == (Inner(other=True), Inner(one="b"))
    assert [str(network) for network in options.networks] == ["10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize("table", [TABLE, {"address": ["unix:///x"]}])
def test_options_are_the_same_after_serialization(table: dict[str, Any]) -> None:
    options = read_options(Derived, table)
    assert deserialize(Derived, json.loads(json.dumps(serialize(options)))) == options


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"addres": "x"}, (("addres",), "unexpected_keyword_argument")),
        ({"wait": True}, (("wait",), "value_error")),
        ({"wait": -1}, (("wait",), "greater_than_equal")),
        ({"most": 63}, (("most",), "greater_than_equal")),
        ({"most": "1 parsec"}, (("most",), "value_error")),
        ({"count": "3"}, (("count",), "int_type")),
        ({"loud": "ABC"}, (("loud",), "string_pattern_mismatch")),
        ({"address": 80}, (("address",), "tuple_type")),
        ({"address": [80]}, (("address", 0), "value_error")),
        ({"networks": ["10"]}, (("networks", 0), "value_error")),
        ({"networks": [10]}, (("networks", 0), "value_error")),
        ({"color": "green"}, (("color",), "enum")),
        ({"inner": {}}, (("inner",), "value_error")),
        ({"many": [{"one": "a"}, {}]}, (("many", 1), "value_error")),
        ({"inner": {"two": 1}}, (("inner", "two"), "unexpected_keyword_argument")),
    ],
)
def test_a_fault_has_its_location(changed: dict[str, Any], fault: object) -> None:
    [found] = faults(**changed)
    location = tuple(step for step in found[0] if not str(step).startswith("function-"))
    assert (location, found[1]) == fault


def test_the_fields_have_their_docstrings_and_marks() -> None:
    fields = fields_of(Derived)
    assert fields is fields_of(Derived)
    assert DURATION in fields["wait"].metadata
    docstrings = docstrings_of(Derived)
    assert docstrings["count"] == "How many."
    assert "color" not in docstrings
    assert docstrings["address"] == "Inherited."
    inner = docstrings_of(Inner)
    assert inner["one"] == "The first."
    assert inner["other"] == "The second, on two lines."


def test_a_network_may_stand_in_any_type() -> None:
    @dataclass(frozen=True)
    class Alone(Table):
        network: Network

    assert str(read_options(Alone, {"network": "10.0.0.1"}).network) == "10.0.0.1/32"

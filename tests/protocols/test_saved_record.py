"""Records as plain data, and back."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import Any

import pytest

from netd.errors import StateError
from netd.protocols.saved_record import load_record, save_record


class Colour(enum.Enum):
    RED = "as blood"
    BLUE = "as the sky"


@dataclass(frozen=True)
class Inner:
    count: int
    data: bytes = b""

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("a negative count")


@dataclass(frozen=True)
class Outer:
    name: str
    colour: Colour = Colour.RED
    at: float = 0.0
    is_set: bool = False
    inner: Inner | None = None
    parts: tuple[bytes | Inner, ...] = ()


FULL = Outer("n", Colour.BLUE, 1.5, True, Inner(3, b"\x00\xff"), (b"x", Inner(1), b""))


def test_a_record_survives_json() -> None:
    assert load_record(Outer, json.loads(json.dumps(save_record(FULL)))) == FULL


def test_defaults_are_left_out() -> None:
    assert save_record(Outer("n", inner=Inner(0))) == {"name": "n", "inner": {"count": 0}}


def test_unknown_keys_are_ignored_and_missing_ones_have_their_default() -> None:
    assert load_record(Outer, {"name": "n", "later": [1]}) == Outer("n")


@pytest.mark.parametrize(
    "data",
    [
        *(None, [], "n", {}, {"name": 1}, {"name": "n", "colour": "GREEN"}),
        *({"name": "n", "colour": 1}, {"name": "n", "at": "1"}, {"name": "n", "at": True}),
        *({"name": "n", "at": 10**400}, {"name": "n", "at": float("inf")}),
        *({"name": "n", "at": float("nan")}, {"name": "n", "is_set": 1}),
        *({"name": "n", "inner": {}}, {"name": "n", "inner": {"count": 1.5}}),
        *({"name": "n", "inner": {"count": True}}, {"name": "n", "inner": {"count": -1}}),
        *({"name": "n", "inner": {"count": 1, "data": "\u0100"}}, {"name": "n", "inner": "x"}),
        *({"name": "n", "parts": "x"}, {"name": "n", "parts": [None]}, {"name": "n", "parts": [1]}),
    ],
)
def test_damaged_data_is_refused(data: Any) -> None:
    with pytest.raises(StateError, match="the saved state is damaged: Outer"):
        load_record(Outer, data)

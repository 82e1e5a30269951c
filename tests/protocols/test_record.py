from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from netd.errors import StateError
from netd.protocols.lines import FRAMER, LINE, LineFramer, Overlong
from netd.protocols.record import (
    BYTES,
    FLAG,
    INTEGER,
    NUMBER,
    TEXT,
    Field,
    Record,
    list_of,
    mapping_of,
    name_of,
    optional,
    refuse_malformed,
    tuple_of,
)
from netd.protocols.token_bucket import BUCKET, TokenBucket
from tests.support import attributes_of


class Colour(enum.Enum):
    RED = enum.auto()


@dataclass(frozen=True)
class Point:
    x: int
    y: int


@dataclass
class Thing:
    name: str = "none"
    _secret: bytes = b""
    points: list[Point] = field(default_factory=list)


THING = Record(
    Thing,
    {"name": TEXT, "_secret": BYTES, "points": list_of(tuple_of(Point, x=INTEGER, y=INTEGER))},
)


def test_a_record_passes_through_json() -> None:
    data = json.loads(json.dumps(THING.save(Thing("a", b"\xff\0", [Point(1, 2)]))))
    assert data == {"name": "a", "secret": "\xff\0", "points": [[1, 2]]}
    loaded = THING.as_field(Thing).load({**data, "of_a_newer_minor": 1})
    assert loaded == Thing("a", b"\xff\0", [Point(1, 2)])
    assert THING.as_field(Thing).load({"name": "of an older minor"}) == Thing("of an older minor")


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (TEXT, 1), (TEXT, "\ud800"), (TEXT, None), (BYTES, "€"), (INTEGER, True), (INTEGER, -1),
        (INTEGER, 1 << 63), (INTEGER, 1.0), (NUMBER, float("nan")), (NUMBER, "1"), (FLAG, 0),
        (list_of(TEXT), "abc"), (list_of(TEXT), [1]), (mapping_of(TEXT), []), (LINE, []),
        (mapping_of(FLAG), {"a": 1}), (name_of(Colour), "BLUE"), (optional(TEXT), 0),
        (tuple_of(Point, x=INTEGER, y=INTEGER), [1]), (THING.as_field(Thing), []),
    ],
)  # fmt: skip
def test_malformed_data_is_refused(kind: Field, bad: Any) -> None:
    with pytest.raises(StateError, match="thing"), refuse_malformed("thing"):
        kind.load(bad)


def test_other_values() -> None:
    assert name_of(Colour).load("RED") is Colour.RED
    assert optional(NUMBER).load(None) is None
    assert NUMBER.load(3) == 3.0
    assert tuple_of(Point, x=INTEGER, y=INTEGER).load([1, 2, "newer"]) == Point(1, 2)


def test_the_part_of_a_line_is_kept() -> None:
    for rest in (b"partial", b"x" * 20):
        framer = LineFramer(10)
        framer.receive(b"whole\n" + rest)
        loaded = LineFramer(10)
        FRAMER.load_into(loaded, FRAMER.save(framer))
        assert loaded.receive(b"y\n") == framer.receive(b"y\n")


def test_the_lines_that_are_left_are_kept() -> None:
    framer, loaded = LineFramer(10), LineFramer(10)
    framer.receive(b"1\n2\n3\n4", 1)
    FRAMER.load_into(loaded, FRAMER.save(framer))
    assert [*loaded.more(1), *loaded.more(1)] == [b"2", b"3"]
    assert loaded.end() == (b"4",)


def test_lines_and_a_bucket() -> None:
    for line in (b"\xff", Overlong(b"long")):
        assert LINE.save is not None
        assert LINE.load(json.loads(json.dumps(LINE.save(line)))) == line
    bucket, loaded = TokenBucket(1.0, 3), TokenBucket(0.0, 0)
    bucket.charge(5.5)
    BUCKET.load_into(loaded, BUCKET.save(bucket))
    assert loaded.wait_s(2) == bucket.wait_s(2)


@pytest.mark.parametrize("record", [FRAMER, BUCKET], ids=lambda record: record.cls.__name__)
def test_every_attribute_is_saved_or_has_a_reason_not_to_be(record: Record) -> None:
    assert {*record.saved, *record.unsaved} == attributes_of(record.cls)
    assert all(record.unsaved.values())

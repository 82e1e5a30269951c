"""What an option's annotation says beyond its type; read by `schema`, and by nothing that serves.

Bounds are annotated-types' own marks: `Annotated[int, Interval(ge=1, le=64)]`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Change(enum.Enum):
    """What it takes to put a field's new value to work; a field that says nothing is LIVE."""

    LIVE = "the running worker takes it"
    NEW_WORKER = "a new worker takes over and the old one drains"


class Unit(enum.Enum):
    """What a number counts, where people write it with a unit."""

    DURATION = "duration"
    SIZE = "size"


class Shape(enum.Enum):
    """How a list may be written."""

    ONE_OR_MANY = "its only member may stand alone"


@dataclass(frozen=True, slots=True)
class Form:
    """The pattern a text has to fit."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Via:
    """A function that a value of the right type passes through; ValueError if it may not."""

    function: Callable[[Any], Any]

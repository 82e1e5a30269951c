"""Durations (`"10s"`, `"500ms"`, `"2m"`) and sizes (`"64KiB"`), as text or plain numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from annotated_types import Ge

from netd.config.annotations import core_schema

_NUMBER_AND_UNIT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """A quantity that a number measures, with its units; a mark of an option's type."""

    name: str
    number: type[float]
    example: str
    units: Mapping[str, float]
    """The units that netd writes, with their sizes in the base unit."""

    other_units: Mapping[str, float] = field(default_factory=dict)
    """Units that netd reads but does not write."""

    @property
    def pattern(self) -> str:
        """The regular expression that a text of this quantity matches, for JSON Schema."""
        units = "|".join({**self.units, **self.other_units})
        return rf"^\s*[0-9]+(\.[0-9]+)?\s*({units})?\s*$"

    def parse(self, text: str) -> float:
        """The number in a text such as `"10s"`, in the base unit. Raises ValueError."""
        units = {**self.units, **self.other_units}
        match = _NUMBER_AND_UNIT.fullmatch(text.strip())
        unit = (match[2] or self._base_unit) if match else ""
        if match is None or unit not in units:
            allowed = ", ".join(units)
            raise ValueError(f"{text!r} is not a {self.name}; write a number and one of {allowed}")
        value = float(match[1]) * units[unit]
        if math.isinf(value):
            raise ValueError(f"{text[:9]}... is too large for a {self.name}")
        return round(value) if self.number is int else value

    def format(self, value: float) -> str:
        """The value in the largest unit that divides it, or in the smallest unit if none does."""
        if not value:
            return f"0{self._base_unit}"
        largest_first = sorted(self.units.items(), key=lambda item: -item[1])
        for unit, size in largest_first:
            count = value / size
            if count >= 1 and count == int(count):
                return f"{int(count)}{unit}"
        unit, size = largest_first[-1]
        return f"{value / size:.15g}{unit}"

    @property
    def _base_unit(self) -> str:
        """The unit of a number that is written without one."""
        return next(unit for unit, size in self.units.items() if size == 1)

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> Any:  # noqa: ANN401 (pydantic's)
        schema = core_schema()
        finite = schema.float_schema(allow_inf_nan=False)
        number = schema.int_schema() if self.number is int else finite
        return schema.no_info_before_validator_function(self._read, number)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> dict[str, Any]:
        number = "integer" if self.number is int else "number"
        return {"type": ["string", number], "minimum": 0, "pattern": self.pattern}

    def _read(self, value: object) -> object:
        """The number of a text with a unit; a bare number as it is."""
        if isinstance(value, bool):  # in Python, a bool is an int
            found = str(value).lower()
            raise ValueError(f"expected a {self.name}, such as {self.example}, found {found}")  # noqa: TRY004 (pydantic reports ValueError)
        return self.parse(value) if isinstance(value, str) else value


DURATION: Final = Quantity(
    name="duration",
    number=float,
    example="10s",
    units={"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0},
)
SIZE: Final = Quantity(
    name="size",
    number=int,
    example="64KiB",
    units={"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
    other_units={"kB": 10**3, "MB": 10**6, "GB": 10**9},
)

Duration = Annotated[float, DURATION, Ge(0)]
Size = Annotated[int, SIZE, Ge(0)]


def quantity_of(metadata: Sequence[object]) -> Quantity | None:
    """The quantity of an option, from its annotation's metadata; None for a plain number."""
    return next((mark for mark in metadata if isinstance(mark, Quantity)), None)


def format_number(metadata: Sequence[object], value: float) -> str | float:
    """A number as the configuration writes it: with its unit, if it has one."""
    quantity = quantity_of(metadata)
    return quantity.format(value) if quantity else value

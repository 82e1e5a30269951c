"""Durations (`"10s"`, `"500ms"`, `"2m"`) and sizes (`"64KiB"`), as text or plain numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from annotated_types import Ge

from netd.config.annotations import Unit

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")


def parse_duration(text: str) -> float:
    """Seconds of `"10s"`, `"500ms"`, `"1.5m"`; ValueError names the units allowed."""
    return _quantity(text, _SECONDS, "s", "a duration")


def parse_size(text: str) -> int:
    """Bytes of `"64KiB"`, `"1MB"`, `"512B"`; ValueError names the units allowed."""
    return round(_quantity(text, _BYTES, "B", "a size"))


def pattern_of(unit: Unit) -> str:
    """The regular expression that its texts fit, as an editor's JSON Schema needs it."""
    units = _SECONDS if unit is Unit.DURATION else _BYTES
    return rf"^\s*[0-9]+(\.[0-9]+)?\s*({'|'.join(units)})?\s*$"


def write_quantity(metadata: Sequence[object], value: float) -> str | float:
    """The value of a field as people write it: its metadata tells a duration or a size."""
    match unit_of(metadata):
        case Unit.DURATION:
            return _write(value, _SECONDS)
        case Unit.SIZE:
            binary = {unit: size for unit, size in _BYTES.items() if "i" in unit or size == 1}
            return _write(value, binary)
    return value


def unit_of(metadata: Sequence[object]) -> Unit | None:
    """What a field counts, if people write it with a unit."""
    return next((each for each in metadata if isinstance(each, Unit)), None)


def _write(value: float, units: Mapping[str, float]) -> str:
    """In the largest unit that divides it; the smallest where none does."""
    by_size = sorted(units.items(), key=lambda item: -item[1])
    if not value:
        return f"0{next(unit for unit, size in by_size if size == 1)}"
    for unit, size in by_size:
        count = value / size
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    unit, size = by_size[-1]
    return f"{value / size:.15g}{unit}"


def _quantity(text: str, units: Mapping[str, float], bare: str, what: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    unit = (match[2] or bare) if match else ""
    if match is None or unit not in units:
        raise ValueError(f"{text!r} is not {what}; write a number and one of {', '.join(units)}")
    number = float(match[1]) * units[unit]
    if math.isinf(number):
        raise ValueError(f"{text[:9]}... is too large for {what}")
    return number


Duration = Annotated[float, Unit.DURATION, Ge(0)]
Size = Annotated[int, Unit.SIZE, Ge(0)]

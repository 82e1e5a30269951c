"""Range requests in bytes (RFC 9110 section 14)."""

from __future__ import annotations

import re
from typing import Final

_MAX_RANGES: Final = 16
_SPEC: Final = re.compile(rb"([0-9]{0,18})-([0-9]{0,18})")


class UnsatisfiableError(Exception):
    """No requested range lies within the content: status 416."""


def parse_range(value: bytes, size: int) -> tuple[tuple[int, int], ...]:
    """Return the requested (offset, count) pairs; none if the field must be ignored (14.2).

    Other units, malformed sets, more than 16 ranges, and sets that request more bytes than the
    content has are ignored, and so is every set for empty content. Raises UnsatisfiableError.
    """
    if not size:
        return ()  # as other servers do: there is nothing that a range could leave out
    unit, _, rest = value.partition(b"=")
    specs = [part.strip(b" \t") for part in rest.split(b",")]
    matches = [_SPEC.fullmatch(spec) for spec in specs if spec]
    if unit.strip().lower() != b"bytes" or not matches or len(matches) > _MAX_RANGES:
        return ()
    found = []
    for match in matches:
        if match is None or match[0] == b"-" or _is_backwards(match):
            return ()
        pair = _within(match[1], match[2], size)
        if pair is not None:
            found.append(pair)
    if not found:
        raise UnsatisfiableError
    total = sum(count for _, count in found)
    return tuple(found) if total <= size else ()


def _is_backwards(match: re.Match[bytes]) -> bool:
    return bool(match[1] and match[2]) and int(match[1]) > int(match[2])


def _within(first: bytes, last: bytes, size: int) -> tuple[int, int] | None:
    if not first:
        count = min(int(last), size)
        return (size - count, count) if count else None
    offset = int(first)
    if offset >= size:
        return None
    end = min(int(last), size - 1) if last else size - 1
    return offset, end - offset + 1

"""Chooses a content coding by Accept-Encoding (RFC 9110 section 12.5.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_MEMBER: Final = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9a-z]+)(?:[ \t]*;[ \t]*q=([01](?:\.[0-9]{0,3})?))?"
)


def choose_coding(accepted: bytes | None, available: Sequence[str]) -> str:
    """Return the available coding with the highest weight, the first of several; empty for none.

    A malformed field counts as absent, so that no coding is chosen.
    """
    if not accepted or not available:
        return ""
    weights = _weights(accepted)
    default = weights.get("*", 0.0)
    identity = weights.get("identity", 0.0)
    best = max(available, key=lambda coding: weights.get(coding, default))
    weight = weights.get(best, default)
    return best if weight > 0 and weight >= identity else ""


def _weights(accepted: bytes) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in accepted.lower().split(b","):
        if not (member := part.strip(b" \t")):
            continue
        match = _MEMBER.fullmatch(member)
        if match is None:
            return {}
        weights[match[1].decode()] = float(match[2] or 1)
    return weights

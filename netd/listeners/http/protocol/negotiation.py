"""Content codings by Accept-Encoding (RFC 9110 section 12.5.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_MEMBER: Final = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9a-z]+)(?:[ \t]*;[ \t]*q=([01](?:\.[0-9]{0,3})?))?"
)


def choose_coding(accepted: bytes | None, available: Sequence[str]) -> str:
    """The coding to send: of those wanted most the first available; empty for none.

    A field that cannot be read is taken as absent: then nothing is encoded.
    """
    if not accepted or not available:
        return ""
    weights = _weights(accepted)
    anything = weights.get("*", 0.0)
    plain = weights.get("identity", 0.0)
    best = max(available, key=lambda coding: weights.get(coding, anything))
    weight = weights.get(best, anything)
    return best if weight > 0 and weight >= plain else ""


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

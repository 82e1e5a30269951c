"""Masks of members and names: `*!*@*.example.org`, with `*` and `?` (RFC 2812 §2.5)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from netd.protocols.irc import fold

MUTE: Final = "m:"  # an extended ban: its members may join, but not speak
ACCOUNT: Final = "a:"  # an extended ban: matches an account with any nick


def matches(mask: str, text: str) -> bool:
    """Whether a mask matches a text; case does not matter. No mask takes exponential time."""
    return _matches(fold(mask), fold(text))


def _matches(mask: str, text: str) -> bool:
    """Simulate the mask as a finite automaton, because any client may send a costly mask.

    Bit i of `reached` is set if the part of the mask read so far matches the first i characters
    of the text.
    """
    if mask[:1] not in ("*", "?") and mask[:1] != text[:1]:
        return False  # the common case
    positions = _positions(text)
    end = 1 << len(text)
    reached = 1
    for character in mask:
        if character == "*":
            reached = 2 * end - (reached & -reached)  # the lowest bit and all above it
        elif character == "?":
            reached = reached << 1 & 2 * end - 1
        else:
            reached = (reached & positions.get(character, 0)) << 1
        if not reached:
            return False
    return bool(reached & end)


@lru_cache(maxsize=64)
def _positions(text: str) -> dict[str, int]:
    """The positions of each character, as bits; a member is compared with many masks."""
    positions: dict[str, int] = {}
    for index, character in enumerate(text):
        positions[character] = positions.get(character, 0) | 1 << index
    return positions


def complete(mask: str) -> str:
    """A mask with stars for the missing parts of nick!user@host."""
    nick_user, at, host = mask.partition("@")
    nick, bang, user = nick_user.partition("!")
    if at and not bang:
        nick, user = "", nick
    return f"{nick or '*'}!{user or '*'}@{host or '*'}"


def normalize(entry: str) -> str:
    """A ban list entry in its stored form: a complete mask or `a:account`, with `m:` or not."""
    if entry.startswith(MUTE):
        return MUTE + normalize(entry.removeprefix(MUTE))
    return entry if entry.startswith(ACCOUNT) else complete(entry)


def has_wildcards(mask: str) -> bool:
    """Whether a mask can match more than one text."""
    return "*" in mask or "?" in mask

"""Masks of names and users: `*!*@*.example.org`, with `*` and `?` (RFC 2812 2.5)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from netd.protocols.irc import fold

MUTE: Final = "m:"  # extended bans: keeps from speaking only
ACCOUNT: Final = "a:"  # fits an account, whatever its nick


def matches(mask: str, text: str) -> bool:
    """Whether a mask fits, whatever the case; no mask can make it take long."""
    return _glob(fold(mask), fold(text))


def _glob(mask: str, text: str) -> bool:
    """Follows all ways through a text at once, for anybody may send a mask that has many.

    Bit i of `ways` says whether what was read of the mask fits the first i characters.
    """
    if mask[:1] not in ("*", "?") and mask[:1] != text[:1]:
        return False  # as most do
    places = _places(text)
    end = 1 << len(text)
    ways = 1
    for each in mask:
        if each == "*":
            ways = 2 * end - (ways & -ways)  # from the first of them on
        elif each == "?":
            ways = ways << 1 & 2 * end - 1
        else:
            ways = (ways & places.get(each, 0)) << 1
        if not ways:
            return False
    return bool(ways & end)


@lru_cache(maxsize=64)
def _places(text: str) -> dict[str, int]:
    """Where each character stands in a text, as bits; one member meets many a mask."""
    places: dict[str, int] = {}
    for index, each in enumerate(text):
        places[each] = places.get(each, 0) | 1 << index
    return places


def complete(mask: str) -> str:
    """A mask with what was left out of nick!user@host filled in by stars."""
    nick_user, at, host = mask.partition("@")
    nick, bang, user = nick_user.partition("!")
    if at and not bang:
        nick, user = "", nick
    return f"{nick or '*'}!{user or '*'}@{host or '*'}"


def entry(text: str) -> str:
    """An entry of a ban list as it is kept: a mask, `a:account`, or `m:` before either."""
    if text.startswith(MUTE):
        return MUTE + entry(text.removeprefix(MUTE))
    return text if text.startswith(ACCOUNT) else complete(text)


def is_wild(mask: str) -> bool:
    """Whether a mask can fit more than one text."""
    return "*" in mask or "?" in mask

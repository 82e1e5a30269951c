"""Masks of names and users: `*!*@*.example.org`, with `*` and `?` (RFC 2812 2.5)."""

from __future__ import annotations

from typing import Final

from netd.protocols.irc import fold

MUTE: Final = "m:"  # extended bans: keeps from speaking only
ACCOUNT: Final = "a:"  # fits an account, whatever its nick


def matches(mask: str, text: str) -> bool:
    """Whether a mask fits, whatever the case; takes time proportional to both lengths."""
    return _glob(fold(mask), fold(text))


def _glob(mask: str, text: str) -> bool:
    m = t = 0
    star, resume = -1, 0  # the last star, and where in the text to try again after it
    while t < len(text):
        if m < len(mask) and mask[m] == "*":
            star, resume = m, t
            m += 1
        elif m < len(mask) and mask[m] in ("?", text[t]):
            m, t = m + 1, t + 1
        elif star >= 0:
            resume += 1
            m, t = star + 1, resume
        else:
            return False
    return not mask[m:].strip("*")


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

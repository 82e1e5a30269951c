"""The changes of a MODE message, as the server's PREFIX and CHANMODES explain them (005)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_PREFIX: Final = "(ov)@+"  # of a server that announces none
_CHANMODES: Final = "beI,k,l,imnpst"


@dataclass(frozen=True, slots=True)
class ModeChange:
    """One letter that is set or unset, with its parameter if it has one."""

    is_set: bool
    letter: str
    parameter: str = ""


def prefixes(isupport: Mapping[str, str]) -> dict[str, str]:
    """Return the letters of the members' modes with their prefixes, the highest first."""
    letters, _, signs = isupport.get("PREFIX", _PREFIX).removeprefix("(").partition(")")
    return dict(zip(letters, signs, strict=False))


def mode_changes(isupport: Mapping[str, str], params: Sequence[str]) -> Iterator[ModeChange]:
    """Yield the changes of `params`, such as `("+o-v", "alice", "bob")`."""
    if not params:
        return
    kinds = [*isupport.get("CHANMODES", _CHANMODES).split(","), "", "", "", ""]
    always = set(kinds[0] + kinds[1]) | set(prefixes(isupport))
    arguments, is_set = iter(params[1:]), True
    for letter in params[0]:
        if letter in "+-":
            is_set = letter == "+"
        else:
            has_parameter = letter in always or (is_set and letter in kinds[2])
            yield ModeChange(is_set, letter, next(arguments, "") if has_parameter else "")


def with_change(prefix: str, change: ModeChange, known: Mapping[str, str]) -> str:
    """Return a member's prefixes after a change of one of them."""
    sign = known[change.letter]
    signs = set(prefix) | {sign} if change.is_set else set(prefix) - {sign}
    return "".join(known_sign for known_sign in known.values() if known_sign in signs)

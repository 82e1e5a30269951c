"""Passwords in what the user types: not kept in a file, not shown, used to log in again."""

from __future__ import annotations

import re
from typing import Final

_LOGINS: Final = ("identify", "id", "login")
_COMMANDS: Final = (
    rf"(?:{'|'.join(_LOGINS)}|register|regain|recover|ghost|release|set|passwd|auth|drop"
    r"|saregister|saset)"
)
_SECRET: Final = re.compile(
    rf"""\s*/(?:
        (?:(?:msg|query|q|notice)\s+(?![#&])\S*serv(?:@\S+)?|ns|nickserv)\s+{_COMMANDS}\b
        | (?:raw|quote)\s+(?:pass|oper|authenticate|register|ns|nickserv)\b
        | (?:oper|pass|authenticate|register|identify|login)\b
        | join\s+\S+\s+\S
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def has_secret(line: str) -> bool:
    """Whether a typed line probably has a password or a channel's key."""
    return _SECRET.match(line) is not None


def masked(target: str, text: str) -> str:
    """Return the text of a message without the password that it may have for a service."""
    if not has_secret(f"/msg {target} {text}"):
        return text
    return f"{text.partition(' ')[0]} ****"


def new_password(target: str, text: str) -> str:
    """Return the password that a message asks NickServ to set; empty if it asks for none."""
    match text.split():
        case [verb, option, *_, password] if target.lower() == "nickserv":
            return password if (verb.lower(), option.lower()) == ("set", "password") else ""
    return ""


def login_password(target: str, text: str) -> str:
    """Return the password with which a message to NickServ logs in; empty if it does not."""
    if target.lower() != "nickserv":
        return ""
    match text.split():
        case [verb, password, *_] if verb.lower() == "register":
            return password
        case [verb, *_, password] if verb.lower() in _LOGINS:
            return password
    return ""

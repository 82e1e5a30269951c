"""Reads a new password: twice from a terminal without echo, otherwise one line."""

from __future__ import annotations

import sys

from netd.errors import UsageError


def read_password() -> str:
    """A password that is not empty. Raises UsageError."""
    try:
        password = _ask() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
        password.encode()
    except UnicodeError as error:  # on reading or on encoding, depending on the locale
        raise UsageError("a password is UTF-8 text") from error
    if not password:
        raise UsageError("the password is empty, or the two inputs differ")
    return password


def _ask() -> str:
    from getpass import getpass  # noqa: PLC0415 (used at a terminal only)

    try:
        password = getpass("Password: ")
        return password if getpass("Again: ") == password else ""
    except EOFError:
        return ""

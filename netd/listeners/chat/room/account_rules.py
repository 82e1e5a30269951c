"""The rules of registration: which names, passwords and e-mail addresses an account may have."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from netd.listeners.chat.room.settings import RegistrationSettings, RoomSettings
from netd.protocols.host_port import source_of
from netd.protocols.irc import fold, is_nick
from netd.protocols.token_bucket import TokenBucket

SERVICE_NICK: Final = "NickServ"
_SERVICES: Final = frozenset(
    {"nickserv", "chanserv", "memoserv", "operserv", "hostserv", "botserv", "saslserv", "global"}
)
_MAX_PASSWORD_BYTES: Final = 300  # IRCv3 account-registration: it has to fit in a PRIVMSG
_MIN_DISTINCT: Final = 3
_MAX_EMAIL_CHARS: Final = 254
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@.\x00-\x1f\x7f]+(\.[^\s@.\x00-\x1f\x7f]+)+")
_MAX_SOURCES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that is not kept: its code in IRCv3 account-registration, and a sentence."""

    code: str
    text: str


def check_name(name: str, settings: RoomSettings) -> Violation | None:
    """The rule that the name of a new account does not keep; None if it keeps all."""
    folded, registration = fold(name), settings.registration
    if not is_nick(name, settings.limits.nick_chars):
        return Violation("BAD_ACCOUNT_NAME", "The name of an account has the form of a nick")
    reserved = registration.reserved_names if registration is not None else frozenset()
    opers = {fold(oper) for oper in settings.opers}
    if folded in _SERVICES or folded in reserved or folded in opers:
        return Violation("BAD_ACCOUNT_NAME", "The name is reserved")
    return None


def is_service(nick: str) -> bool:
    """Whether a nick is that of a service, which no member may have."""
    return fold(nick) in _SERVICES


def check_password(password: str, name: str, settings: RegistrationSettings) -> Violation | None:
    """The rule that a new password of an account does not keep; None if it keeps all."""
    if len(password.encode()) > _MAX_PASSWORD_BYTES:
        text = f"A password has at most {_MAX_PASSWORD_BYTES} bytes"
        return Violation("UNACCEPTABLE_PASSWORD", text)
    if not password.isprintable():
        return Violation("UNACCEPTABLE_PASSWORD", "A password has no control characters")
    if len(password) < settings.min_password_chars:
        text = f"A password has at least {settings.min_password_chars} characters"
        return Violation("WEAK_PASSWORD", text)
    beside_name = fold(password).replace(fold(name), "")
    if len(beside_name) < settings.min_password_chars / 2 or len(set(password)) < _MIN_DISTINCT:
        return Violation("WEAK_PASSWORD", "The password is too easy to guess")
    return None


def check_email(email: str, settings: RegistrationSettings) -> Violation | None:
    """The rule that an e-mail address does not keep; "" and "*" mean that there is none."""
    if email in ("", "*"):
        text = "An e-mail address is required"
        return Violation("INVALID_EMAIL", text) if settings.requires_email else None
    if len(email) > _MAX_EMAIL_CHARS or not _EMAIL.fullmatch(email):
        return Violation("INVALID_EMAIL", "That is no e-mail address")
    return None


class RegistrationThrottle:
    """Limits how many accounts a source address may register: a token bucket for each address.

    The address that registered least recently is forgotten first.
    """

    def __init__(self) -> None:
        self._buckets: OrderedDict[object, TokenBucket] = OrderedDict()

    def admits(self, host: str, now: float, settings: RegistrationSettings) -> bool:
        """Take a token of an address; all clients on Unix sockets are one source."""
        source = source_of(host)
        bucket = self._buckets.pop(source, None) or TokenBucket(now, settings.burst)
        self._buckets[source] = bucket
        if len(self._buckets) > _MAX_SOURCES:
            self._buckets.popitem(last=False)
        return bucket.take(now, 1 / settings.interval_s, settings.burst)

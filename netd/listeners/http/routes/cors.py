"""Requests from pages of other sites (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.response import Fields

_ANY: Final = "*"
_MAX_AGE_S: Final = 600  # browsers keep the result of a preflight request for so long
_NAMES: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z, \t]+")


class Cors:
    """Lets pages of some origins read the responses of a route."""

    def __init__(self, origins: Iterable[str], *, has_users: bool) -> None:
        """Permit these origins, `*` for all. With users, browsers may send their passwords."""
        self._origins = frozenset(origins)
        self._has_users = has_users

    def fields(self, request: Request) -> Fields:
        """The fields that a response to this request has in addition."""
        if _ANY in self._origins and not self._has_users:
            return (("Access-Control-Allow-Origin", _ANY),)
        origin = request.fields.get(b"origin", b"").decode("latin-1").lower()
        vary = ("Vary", "Origin")
        if not origin or not {origin, _ANY} & self._origins:
            return (vary,)
        permitted = ("Access-Control-Allow-Origin", origin)
        # A password goes with a request only if the origin is listed: `*` would mean every site.
        if self._has_users and origin in self._origins:
            return (permitted, ("Access-Control-Allow-Credentials", "true"), vary)
        return (permitted, vary)

    def preflight_fields(self, request: Request, methods: str) -> Fields:
        """The fields that the response to a preflight request has besides `fields`."""
        if b"access-control-request-method" not in request.fields:
            return ()
        wanted = request.fields.get(b"access-control-request-headers", b"")
        names = (wanted.decode(),) if _NAMES.fullmatch(wanted) else ()
        return (
            ("Access-Control-Allow-Methods", methods),
            *(("Access-Control-Allow-Headers", name) for name in names),
            ("Access-Control-Max-Age", str(_MAX_AGE_S)),
        )

"""Which clients may use a route: by network, and by basic authentication (RFC 7617)."""

from __future__ import annotations

import dataclasses
import enum
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from netd.config.model import Networks
from netd.listeners.admission import Sources
from netd.listeners.http.options import RouteOptions
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.response import DeferredResponse, Response, Send, error_response
from netd.listeners.http.routes.client_address import client_of, credentials_of
from netd.listeners.password_verifier import PasswordVerifier

_MAX_CHECKING: Final = 64  # passwords at once; one takes the only verifier tens of milliseconds
_MAX_KNOWN: Final = 1000  # credentials that were right, and are not checked again

Respond = Callable[[], Response | DeferredResponse]


class Denial(enum.Enum):
    """Why a client may not use a route; the value is the name of its counter."""

    NETWORK = "denied_clients"
    CREDENTIALS = "wrong_credentials"
    TOO_MANY_CHECKS = "unchecked_credentials"


class RouteAuth:
    """Checks the clients of a route that has networks or users."""

    def __init__(
        self,
        options: RouteOptions,
        trusted: Networks,
        verifier: PasswordVerifier,
        denials: Counter[Denial],
    ) -> None:
        """`trusted` are proxies whose X-Forwarded-For is believed; `denials` counts refusals."""
        self._sources = Sources(options.allow, options.deny)
        self._users = options.users
        self._challenge = ("WWW-Authenticate", f'Basic realm="{options.realm}", charset="UTF-8"')
        self._trusted = trusted
        self._verifier = verifier
        if options.users:
            verifier.prepare()
        self._denials = denials
        self._key = os.urandom(16)
        self._known: dict[bytes, None] = {}
        self._checking = 0

    def respond(self, request: Request, host: str, respond: Respond) -> Response | DeferredResponse:
        """Return the response of `respond` if the client may have it; `host` is the peer."""
        if not self._sources.is_any:
            if not self._sources.permits(client_of(host, request.fields, self._trusted)):
                self._denials[Denial.NETWORK] += 1
                return error_response(403)
            # Another client may send the same head: it must be checked, too.
            respond = partial(_uncached, respond)
        return self._authenticate(request, respond) if self._users else respond()

    def _authenticate(self, request: Request, respond: Respond) -> Response | DeferredResponse:
        credentials = credentials_of(request.fields)
        if credentials is None:
            return error_response(401, self._challenge)
        if self._digest(*credentials) in self._known:
            return respond()
        if self._checking >= _MAX_CHECKING:
            self._denials[Denial.TOO_MANY_CHECKS] += 1
            return error_response(503, ("Retry-After", "1"))
        return DeferredResponse(partial(self._check, *credentials, respond))

    def _check(self, name: str, password: str, respond: Respond, send: Send) -> None:
        self._checking += 1
        # For an unknown name another user's hash is checked: the time must not show which names
        # exist.
        stored = self._users.get(name) or next(iter(self._users.values()))

        def on_verified(is_right: bool) -> None:  # noqa: FBT001 (the verifier calls it)
            self._checking -= 1
            if is_right and name in self._users:
                self._remember(self._digest(name, password))
                _send(respond(), send)
            else:
                self._denials[Denial.CREDENTIALS] += 1
                send(error_response(401, self._challenge))

        self._verifier.verify(password, stored, on_verified)

    def _digest(self, name: str, password: str) -> bytes:
        from hashlib import blake2b  # noqa: PLC0415 (imports OpenSSL)

        return blake2b(f"{name}:{password}".encode(), key=self._key).digest()

    def _remember(self, digest: bytes) -> None:
        if len(self._known) >= _MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[digest] = None


def _uncached(respond: Respond) -> Response | DeferredResponse:
    response = respond()
    if isinstance(response, DeferredResponse):
        return response
    return dataclasses.replace(response, stamps=None)


def _send(response: Response | DeferredResponse, send: Send) -> None:
    if isinstance(response, DeferredResponse):
        response.start(send)
    else:
        send(response)

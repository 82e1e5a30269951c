"""Which clients may use a route: by network, and by basic authentication (RFC 7617)."""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from netd.config.model import Networks
from netd.listeners.admission import Sources
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.response import (
    DeferredResponse,
    Response,
    SendResponse,
    error_response,
)
from netd.listeners.http.route_options import RouteOptions
from netd.listeners.http.routes.client_address import client_of, credentials_of
from netd.listeners.logins.password_verifier import Login, PasswordVerifier
from netd.protocols.password import Verdict, decoy

_RETRY_AFTER: Final = ("Retry-After", "10")  # seconds

Respond = Callable[[], Response | DeferredResponse]


class Denial(enum.Enum):
    """Why a client may not use a route; the value is the name of its counter."""

    NETWORK = "denied_clients"
    TOKEN = "denied_tokens"  # noqa: S105 (no password)


class RouteAuth:
    """Checks the clients of a route that has networks or users."""

    def __init__(
        self,
        options: RouteOptions,
        trusted: Networks,
        verifier: PasswordVerifier,
        denials: Counter[Denial],
    ) -> None:
        """`trusted` are proxies whose X-Forwarded-For is used; `denials` counts refusals."""
        self._sources = Sources(options.allow, options.deny)
        self._users = options.users
        self._challenge = ("WWW-Authenticate", f'Basic realm="{options.realm}", charset="UTF-8"')
        self._trusted = trusted
        self._verifier = verifier
        if options.users:
            verifier.prepare()
        self._denials = denials

    def respond(self, request: Request, host: str, respond: Respond) -> Response | DeferredResponse:
        """Return the response of `respond` if the client may have it; `host` is the peer."""
        client = client_of(host, request.fields, self._trusted)
        if not self._sources.permits(client):
            self._denials[Denial.NETWORK] += 1
            return error_response(403, reason="its network may not use the route")
        if self._users:
            return self._authenticate(request, client, respond)
        return _cached_while(_always, respond())

    def _authenticate(
        self, request: Request, client: str, respond: Respond
    ) -> Response | DeferredResponse:
        credentials = credentials_of(request.fields)
        if credentials is None:
            return error_response(401, self._challenge)
        name, password = credentials
        stored = self._users.get(name) or decoy(name, self._users.values())
        login = Login(client, name, "basic", password, stored)
        is_known = self._verifier.recall(login)
        if is_known():
            return _cached_while(is_known, respond())
        return DeferredResponse(partial(self._check, login, respond))

    def _check(self, login: Login, respond: Respond, send: SendResponse) -> None:
        def on_verdict(verdict: Verdict) -> None:
            match verdict:
                case Verdict.RIGHT:
                    _send(_uncached(respond()), send)
                case Verdict.WRONG:
                    send(error_response(401, self._challenge))
                case Verdict.UNCHECKED:
                    send(error_response(503, _RETRY_AFTER))

        self._verifier.verify(login, on_verdict)


def _always() -> bool:
    return True


def _cached_while(
    is_permitted: Callable[[], bool], response: Response | DeferredResponse
) -> Response | DeferredResponse:
    """Let the response be cached for this peer: another one may not have it.

    A deferred response is not cached: a reload can change who may have it while it is made.
    """
    if isinstance(response, DeferredResponse):
        return _uncached(response)
    return dataclasses.replace(response, is_permitted=is_permitted)


def _uncached(response: Response | DeferredResponse) -> Response | DeferredResponse:
    if isinstance(response, DeferredResponse):
        return response.then(partial(dataclasses.replace, stamps=None))
    return dataclasses.replace(response, stamps=None)


def _send(response: Response | DeferredResponse, send: SendResponse) -> None:
    if isinstance(response, DeferredResponse):
        response.start(send)
    else:
        send(response)

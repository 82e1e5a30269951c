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
from netd.listeners.http.options import RouteOptions
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.response import (
    DeferredResponse,
    Response,
    SendResponse,
    error_response,
)
from netd.listeners.http.routes.client_address import client_of, credentials_of
from netd.listeners.logins.password_verifier import Login, PasswordVerifier
from netd.protocols.password import Verdict, decoy

_RETRY_AFTER: Final = ("Retry-After", "10")  # seconds

Respond = Callable[[], Response | DeferredResponse]


class Denial(enum.Enum):
    """Why a client may not use a route; the value is the name of its counter."""

    NETWORK = "denied_clients"


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
            return error_response(403)
        # Another client may send the same head: it must be checked, too.
        respond = partial(_uncached, respond)
        return self._authenticate(request, client, respond) if self._users else respond()

    def _authenticate(
        self, request: Request, client: str, respond: Respond
    ) -> Response | DeferredResponse:
        credentials = credentials_of(request.fields)
        if credentials is None:
            return error_response(401, self._challenge)
        name, password = credentials
        stored = self._users.get(name) or decoy(name, self._users.values())
        login = Login(client, name, "basic", password, stored)
        if self._verifier.knows(login):
            return respond()
        return DeferredResponse(partial(self._check, login, respond))

    def _check(self, login: Login, respond: Respond, send: SendResponse) -> None:
        def on_verdict(verdict: Verdict) -> None:
            match verdict:
                case Verdict.RIGHT:
                    _send(respond(), send)
                case Verdict.WRONG:
                    send(error_response(401, self._challenge))
                case Verdict.UNCHECKED:
                    send(error_response(503, _RETRY_AFTER))

        self._verifier.verify(login, on_verdict)


def _uncached(respond: Respond) -> Response | DeferredResponse:
    response = respond()
    if isinstance(response, DeferredResponse):
        return response
    return dataclasses.replace(response, stamps=None)


def _send(response: Response | DeferredResponse, send: SendResponse) -> None:
    if isinstance(response, DeferredResponse):
        response.start(send)
    else:
        send(response)

"""Who may use a route: source networks, and users by basic authentication (RFC 7617)."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from netd.config.model import Networks
from netd.listeners.admission import Sources
from netd.listeners.http.options import RouteOptions
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.response.response import DeferredResponse, Response, error_answer
from netd.listeners.http.routes.client_address import client_of, credentials_of
from netd.listeners.password_verifier import PasswordVerifier

REASONS: Final = ("denied_clients", "wrong_credentials", "unchecked_credentials")
"""The counters of who was turned away."""

_MAX_CHECKING: Final = 64  # passwords at once; each takes the only verifier tens of milliseconds
_MAX_KNOWN: Final = 1000  # credentials that were right, so that they are checked once

Serve = Callable[[], Response | DeferredResponse]
Give = Callable[[Response], object]


class RouteAuth:
    """Stands before a route that names networks or users."""

    def __init__(
        self,
        options: RouteOptions,
        trusted: Networks,
        verifier: PasswordVerifier,
        tally: Counter[str],
    ) -> None:
        """`tally` counts who was turned away."""
        self._sources = Sources(options.allow, options.deny)
        self._users = options.users
        self._challenge = ("WWW-Authenticate", f'Basic realm="{options.realm}", charset="UTF-8"')
        self._trusted = trusted
        self._verifier = verifier
        if options.users:
            verifier.prepare()
        self._tally = tally
        self._key = os.urandom(16)
        self._known: dict[bytes, None] = {}
        self._checking = 0

    def answer(self, request: Request, host: str, serve: Serve) -> Response | DeferredResponse:
        """What `serve` answers, if the client may see it; `host` is the peer's address."""
        if not self._sources.is_any:
            if not self._sources.permits(client_of(host, request.fields, self._trusted)):
                self._tally["denied_clients"] += 1
                return error_answer(403)
            serve = partial(_unkept, serve)  # the same request from elsewhere is judged anew
        return self._identify(request, serve) if self._users else serve()

    def _identify(self, request: Request, serve: Serve) -> Response | DeferredResponse:
        given = credentials_of(request.fields)
        if given is None:
            return error_answer(401, self._challenge)
        if self._digest(*given) in self._known:
            return serve()
        if self._checking >= _MAX_CHECKING:
            self._tally["unchecked_credentials"] += 1
            return error_answer(503, ("Retry-After", "1"))
        return DeferredResponse(partial(self._check, *given, serve))

    def _check(self, name: str, password: str, serve: Serve, give: Give) -> None:
        self._checking += 1
        # Nobody's password is checked as long as somebody's, so that names cannot be told apart.
        stored = self._users.get(name) or next(iter(self._users.values()))

        def on_verified(right: bool) -> None:  # noqa: FBT001 (the verifier calls it)
            self._checking -= 1
            if right and name in self._users:
                self._remember(self._digest(name, password))
                _hand_on(serve(), give)
            else:
                self._tally["wrong_credentials"] += 1
                give(error_answer(401, self._challenge))

        self._verifier.verify(password, stored, on_verified)

    def _digest(self, name: str, password: str) -> bytes:
        from hashlib import blake2b  # noqa: PLC0415 (OpenSSL comes along)

        return blake2b(f"{name}:{password}".encode(), key=self._key).digest()

    def _remember(self, digest: bytes) -> None:
        if len(self._known) >= _MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[digest] = None


def _unkept(serve: Serve) -> Response | DeferredResponse:
    answer = serve()
    return (
        answer if isinstance(answer, DeferredResponse) else dataclasses.replace(answer, proofs=None)
    )


def _hand_on(answer: Response | DeferredResponse, give: Give) -> None:
    if isinstance(answer, DeferredResponse):
        answer.begin(give)
    else:
        give(answer)

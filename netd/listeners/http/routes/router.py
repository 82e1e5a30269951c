"""A listener's routes, made ready: which of them answers a request, and what it says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from netd.errors import RemoteProtocolError
from netd.listeners.http.options import HttpOptions, RouteOptions
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.head import KNOWN_METHODS
from netd.listeners.http.protocol.target import parse_path
from netd.listeners.http.response.response import DeferredResponse, Fields, Response, error_answer
from netd.listeners.http.routes.daemon_status import DaemonStatus
from netd.listeners.http.routes.handlers import READS, make_handler
from netd.listeners.http.routes.route_auth import RouteAuth
from netd.listeners.password_verifier import PasswordVerifier

_WELCOME: Final = (
    '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>netd works</title>\n'
    '<meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark">\n'
    '<body style="font: 1.1rem system-ui, sans-serif; margin: 20vh auto; max-width: 32rem">\n'
    "<h1>netd works</h1>\n"
    "<p>This listener has no routes yet. Give it some in its configuration, as in</p>\n"
    '<pre>[[listeners.web.routes]]\npath = "/"\ndirectory = "/srv/www"</pre>\n'
)
_WELCOME_ROUTE: Final = RouteOptions(text=_WELCOME, content_type="text/html; charset=utf-8")


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What routes need of their worker; it outlasts every site."""

    daemon: DaemonStatus
    verifier: PasswordVerifier
    tally: Counter[str] = field(default_factory=Counter)
    """Who was turned away by a route, by reason."""


class Route:
    """A handler, the requests it is for, and who may make them."""

    def __init__(self, options: RouteOptions, site: HttpOptions, means: WorkerContext) -> None:
        self._fields = _merge(site.headers, options.headers, _cache_control(options))
        self._host = options.host.lower()
        self._path = options.path
        self._below = options.path.rstrip("/") + "/" if options.is_prefix else None
        self.rank = (bool(self._host), not self._host.startswith("*"), len(self._path))
        self.handler = make_handler(options, means.daemon)
        is_guarded = options.allow or options.deny or options.users
        self._guard = (
            RouteAuth(options, site.forwarded_from, means.verifier, means.tally)
            if is_guarded
            else None
        )

    def fits(self, host: str, path: str) -> bool:
        """Whether a request for this is the route's."""
        if self._host and not self._fits_host(host):
            return False
        return path == self._path or (self._below is not None and path.startswith(self._below))

    def answer(
        self, request: Request, path: str, host: str, body: bytes
    ) -> Response | DeferredResponse:
        """Answer a request that fits, whose method the handler allows."""
        if self._guard is None:
            answer = self.handler.answer(request, path, body)
        else:
            serve = partial(self.handler.answer, request, path, body)
            answer = self._guard.answer(request, host, serve)
        return answer.with_fields(self._fields)

    def _fits_host(self, host: str) -> bool:
        if self._host.startswith("*."):
            return host.endswith(self._host[1:])
        return host == self._host


class Router:
    """All routes; the more specific one answers: host before no host, then the longer path."""

    def __init__(self, options: HttpOptions, means: WorkerContext) -> None:
        self.fields = _merge(options.headers)
        """The fields of answers that no route gives."""
        routes = options.routes or (_WELCOME_ROUTE,)
        made = [Route(each, options, means) for each in routes]
        self._routes = sorted(made, key=lambda route: route.rank, reverse=True)

    def answer(self, request: Request, host: str, body: bytes) -> Response | DeferredResponse:
        """Answer a request that is complete; `host` is the peer's address."""
        try:
            path = parse_path(request.path) if request.path != b"*" else "*"
        except RemoteProtocolError as error:
            return error_answer(error.status).with_fields(self.fields)
        route = self._find(request.host, path)
        if route is not None and request.method in route.handler.methods:
            return route.answer(request, path, host, body)
        return _refuse_method(request, path, route).with_fields(self.fields)

    def wants_body(self, request: Request) -> bool:
        """Whether the body is to be kept for `answer`; else it is read and forgotten."""
        try:
            route = self._find(request.host, parse_path(request.path))
        except RemoteProtocolError:
            return False
        if route is None:
            return False
        return route.handler.takes_body and request.method in route.handler.methods

    def _find(self, host: str, path: str) -> Route | None:
        return next((route for route in self._routes if route.fits(host, path)), None)


def _refuse_method(request: Request, path: str, route: Route | None) -> Response:
    if request.method not in KNOWN_METHODS:
        return error_answer(501)
    if route is None and path != "*":
        return error_answer(404)
    methods = READS if route is None else route.handler.methods
    allow = ("Allow", ", ".join(sorted({*methods, "OPTIONS"})))
    return Response(204, (allow,)) if request.method == "OPTIONS" else error_answer(405, allow)


def _cache_control(options: RouteOptions) -> dict[str, str]:
    return {"Cache-Control": options.cache_control} if options.cache_control else {}


def _merge(*layers: dict[str, str]) -> Fields:
    """Header fields, a later layer's before an earlier one's of the same name; no empty ones."""
    merged = {name.lower(): (name, value) for layer in layers for name, value in layer.items()}
    return tuple(field for field in merged.values() if field[1])

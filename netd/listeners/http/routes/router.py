"""The routes of a listener: which of them responds to a request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from netd.errors import RemoteProtocolError
from netd.listeners.http.files.directory import Directory
from netd.listeners.http.options import HttpOptions
from netd.listeners.http.pages import STYLE, format_document
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.head import KNOWN_METHODS
from netd.listeners.http.protocol.response import (
    CONTINUE,
    DeferredResponse,
    Fields,
    Response,
    error_response,
)
from netd.listeners.http.protocol.target import parse_path
from netd.listeners.http.route_options import RouteOptions
from netd.listeners.http.routes.cors import Cors
from netd.listeners.http.routes.handlers import READ_METHODS, make_handler
from netd.listeners.http.routes.route_auth import RouteAuth
from netd.listeners.http.routes.worker_context import WorkerContext

_WELCOME: Final = format_document(
    "netd works",
    """<main>
<h1>netd works</h1>
<p>This listener has no routes yet. Add some to its configuration, as in</p>
<pre>[[listeners.web.routes]]
path = "/"
directory = "/srv/www"</pre>
</main>
""",
    style=f"{STYLE}main{{margin:20vh auto 0;max-width:34rem;padding:0 1rem}}pre{{overflow:auto}}",
)
_SAFE_FIELDS: Final = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN"}
_WELCOME_ROUTE: Final = RouteOptions(text=_WELCOME, content_type="text/html; charset=utf-8")


class Route:
    """A handler, the requests it is for, and the clients that may use it."""

    def __init__(
        self, options: RouteOptions, listener: HttpOptions, context: WorkerContext
    ) -> None:
        own = (options.headers, _cache_control(options))
        self._fields = _merge(_SAFE_FIELDS, listener.headers, *own)
        self._host = options.host[0] if options.host else ""
        self._path = options.path
        self._prefix = options.path.rstrip("/") + "/" if options.is_prefix else None
        is_wildcard = self._host.startswith("*")
        is_exact = self._prefix is None
        self.rank = (bool(self._host), not is_wildcard, len(self._path), is_exact)
        """Orders routes by how specific they are: by host, then by length of the path."""
        self.handler = make_handler(options, context)
        self._cors = Cors(options.cors, has_users=bool(options.users)) if options.cors else None
        self._auth: RouteAuth | None = None
        if options.allow or options.deny or options.users:
            self._auth = RouteAuth(
                options, listener.forwarded_from, context.verifier, context.denials
            )

    def matches(self, host: str, path: str) -> bool:
        """Whether the route is for requests to this host and path."""
        if self._host and not self._matches_host(host):
            return False
        return path == self._path or (self._prefix is not None and path.startswith(self._prefix))

    def respond(
        self, request: Request, path: str, host: str, body: bytes
    ) -> Response | DeferredResponse:
        """Respond to a request that matches, with a method that the handler allows."""
        if self._auth is None:
            response = self.handler.respond(request, path, body)
        else:
            respond = partial(self.handler.respond, request, path, body)
            response = self._auth.respond(request, host, respond)
        return self._complete(request, response)

    def refuse_method(self, request: Request) -> Response | DeferredResponse:
        """Respond to OPTIONS, or refuse a method that the handler does not allow."""
        methods = ", ".join(sorted({*self.handler.methods, "OPTIONS"}))
        allow = ("Allow", methods)
        if request.method != "OPTIONS":
            return self._complete(request, error_response(405, allow))
        preflight = self._cors.preflight_fields(request, methods) if self._cors else ()
        return self._complete(request, Response(204, (allow, *preflight)))

    def permit_body(self, request: Request, host: str) -> Response | DeferredResponse:
        """Return a response with CONTINUE if the client may use the route, else the refusal."""
        permission = Response(CONTINUE)
        if self._auth is None:
            return permission
        return self._complete(request, self._auth.respond(request, host, lambda: permission))

    def _complete(
        self, request: Request, response: Response | DeferredResponse
    ) -> Response | DeferredResponse:
        """Add the fields of the route, and its page for an error."""
        if isinstance(self.handler, Directory):
            response = response.then(self.handler.with_error_page)
        fields = self._fields if self._cors is None else self._cors.fields(request) + self._fields
        return response.with_fields(fields)

    def _matches_host(self, host: str) -> bool:
        if self._host.startswith("*."):
            return host.endswith(self._host[1:])
        return host == self._host


class Router:
    """All routes of a listener; of those that match, the most specific responds."""

    def __init__(self, options: HttpOptions, context: WorkerContext) -> None:
        self.fields = _merge(_SAFE_FIELDS, options.headers)
        """The fields of responses that come from no route."""
        declared = options.routes or (_WELCOME_ROUTE,)
        split = [part for route in declared for part in _split_by_host(route)]
        routes = [Route(route, options, context) for route in split]
        self._routes = sorted(routes, key=lambda route: route.rank, reverse=True)

    def respond(self, request: Request, host: str, body: bytes) -> Response | DeferredResponse:
        """Respond to a complete request; `host` is the peer's address."""
        try:
            path = parse_path(request.path) if request.path != b"*" else "*"
        except RemoteProtocolError as error:
            refusal = error_response(error.status, reason=str(error))
            return refusal.with_fields(self.fields)
        route = self._find(request.host, path)
        if route is None or request.method not in KNOWN_METHODS:
            return _refuse(request, path).with_fields(self.fields)
        if request.method in route.handler.methods:
            return route.respond(request, path, host, body)
        return route.refuse_method(request)

    def permit_body(self, request: Request, host: str) -> Response | DeferredResponse:
        """Respond to the head of a request that `takes_body` and expects 100-continue.

        The status is CONTINUE if the client may send the body (RFC 9110 section 10.1.1).
        """
        route = self._find(request.host, parse_path(request.path))
        return Response(CONTINUE) if route is None else route.permit_body(request, host)

    def takes_body(self, request: Request) -> bool:
        """Whether `respond` needs the body. If not, it is read and dropped."""
        try:
            route = self._find(request.host, parse_path(request.path))
        except RemoteProtocolError:
            return False
        if route is None:
            return False
        return route.handler.takes_body and request.method in route.handler.methods

    def _find(self, host: str, path: str) -> Route | None:
        return next((route for route in self._routes if route.matches(host, path)), None)


def _split_by_host(options: RouteOptions) -> Iterator[RouteOptions]:
    """Yield the route once for each of its hosts: they differ in rank."""
    for host in options.host or ("",):
        yield replace(options, host=(host,))


def _refuse(request: Request, path: str) -> Response:
    """Respond to a request that no route is for, or whose method no route knows."""
    if request.method not in KNOWN_METHODS:
        return error_response(501)
    if path != "*":
        return error_response(404)
    allow = ("Allow", ", ".join(sorted({*READ_METHODS, "OPTIONS"})))
    return Response(204, (allow,)) if request.method == "OPTIONS" else error_response(405, allow)


def _cache_control(options: RouteOptions) -> dict[str, str]:
    return {"Cache-Control": options.cache_control} if options.cache_control else {}


def _merge(*layers: dict[str, str]) -> Fields:
    """Merge header fields: a later layer replaces fields of an earlier one; drop empty fields."""
    merged = {name.lower(): (name, value) for layer in layers for name, value in layer.items()}
    return tuple(field for field in merged.values() if field[1])

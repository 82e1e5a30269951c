"""A listener's routes, made ready: which of them answers a request, and what it says."""

from __future__ import annotations

import os
from typing import Final, Protocol
from urllib.parse import quote

from netd.errors import RemoteProtocolError
from netd.listeners.http.answer import Answer, Fields, Later, error_answer
from netd.listeners.http.directory import Directory
from netd.listeners.http.options import HttpOptions, RouteOptions
from netd.protocols.http.event import Request
from netd.protocols.http.head import KNOWN_METHODS
from netd.protocols.http.target import parse_path

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
_READS: Final = frozenset({"GET", "HEAD"})


class Handler(Protocol):
    """What a route does with a request whose method it allows."""

    methods: frozenset[str]
    takes_body: bool

    def answer(self, request: Request, path: str, body: bytes) -> Answer | Later:
        """Answer a request for the decoded `path`."""


class Text:
    """Always the same content."""

    methods = _READS
    takes_body = False

    def __init__(self, content: bytes, content_type: str) -> None:
        fields = (("Content-Type", content_type),)
        self._answer = Answer(200, fields, (content,), proofs=())

    def answer(self, _request: Request, _path: str, _body: bytes) -> Answer:
        return self._answer


class Redirect:
    """Sends the client elsewhere."""

    methods = _READS
    takes_body = False

    def __init__(self, options: RouteOptions) -> None:
        assert options.redirect is not None
        self._options = options
        self._target = options.redirect

    def answer(self, request: Request, path: str, _body: bytes) -> Answer:
        where = self._target
        if self._options.is_prefix:
            rest = path[len(self._options.path.rstrip("/")) :]
            where = where.rstrip("/") + quote(os.fsencode(rest))
            where += f"?{request.query.decode()}" if request.query else ""
        return error_answer(self._options.redirect_status, ("Location", where))


class Echo:
    """Gives back what came: the body, or the request as it was understood."""

    methods = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH"})
    takes_body = True

    def __init__(self, what: str) -> None:
        self._what = what

    def answer(self, request: Request, _path: str, body: bytes) -> Answer:
        if self._what == "request":
            lines = [f"{request.method} {request.target.decode()} HTTP/1.{request.minor}".encode()]
            lines += [name + b": " + value for name, value in request.lines]
            return Answer(
                200, (("Content-Type", "text/plain"),), (b"\n".join([*lines, b"", body]),)
            )
        media_type = request.fields.get(b"content-type", b"application/octet-stream")
        fields = (
            ("Content-Type", media_type.decode("latin-1")),
            ("Content-Security-Policy", "sandbox"),  # what others sent must not act as our page
        )
        return Answer(200, fields, (body,))


class Route:
    """A handler and the requests it is for."""

    def __init__(self, options: RouteOptions, headers: dict[str, str]) -> None:
        self.fields = _merge(headers, options.headers, _cache_control(options))
        self._host = options.host.lower()
        self._path = options.path
        self._below = options.path.rstrip("/") + "/" if options.is_prefix else None
        self.rank = (bool(self._host), not self._host.startswith("*"), len(self._path))
        self.handler = _handler(options)

    def fits(self, host: str, path: str) -> bool:
        """Whether a request for this is the route's."""
        if self._host and not self._fits_host(host):
            return False
        return path == self._path or (self._below is not None and path.startswith(self._below))

    def _fits_host(self, host: str) -> bool:
        if self._host.startswith("*."):
            return host.endswith(self._host[1:])
        return host == self._host


class Site:
    """All routes; the more specific one answers: host before no host, then the longer path."""

    def __init__(self, options: HttpOptions) -> None:
        self.fields = _merge(options.headers)
        """The fields of answers that no route gives."""
        routes = options.routes or (_WELCOME_ROUTE,)
        made = [Route(each, options.headers) for each in routes]
        self._routes = sorted(made, key=lambda route: route.rank, reverse=True)

    def answer(self, request: Request, host: str, body: bytes) -> Answer | Later:
        """Answer a request that is complete; `host` is the peer's address."""
        try:
            path = parse_path(request.path) if request.path != b"*" else "*"
        except RemoteProtocolError as error:
            return error_answer(error.status).with_fields(self.fields)
        route = self._find(request.host, path)
        if route is not None and request.method in route.handler.methods:
            return route.handler.answer(request, path, body).with_fields(route.fields)
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


def _refuse_method(request: Request, path: str, route: Route | None) -> Answer:
    if request.method not in KNOWN_METHODS:
        return error_answer(501)
    if route is None and path != "*":
        return error_answer(404)
    methods = _READS if route is None else route.handler.methods
    allow = ("Allow", ", ".join(sorted({*methods, "OPTIONS"})))
    return Answer(204, (allow,)) if request.method == "OPTIONS" else error_answer(405, allow)


def _cache_control(options: RouteOptions) -> dict[str, str]:
    return {"Cache-Control": options.cache_control} if options.cache_control else {}


def _merge(*layers: dict[str, str]) -> Fields:
    """Header fields, a later layer's before an earlier one's of the same name; no empty ones."""
    merged = {name.lower(): (name, value) for layer in layers for name, value in layer.items()}
    return tuple(field for field in merged.values() if field[1])


def _handler(options: RouteOptions) -> Handler:
    if options.text is not None:
        return Text(options.text.encode(), options.content_type)
    if options.health is not None:
        return Text(b"ok\n", "text/plain; charset=utf-8")
    if options.directory is not None:
        return Directory(options)
    if options.redirect is not None:
        return Redirect(options)
    assert options.echo is not None
    return Echo(options.echo)

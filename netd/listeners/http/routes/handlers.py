"""What a route can do with a request; files have a module of their own, and so has the status."""

from __future__ import annotations

from typing import Final, Protocol

from netd.listeners.http.options import RouteOptions
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.target import format_path
from netd.listeners.http.response.response import DeferredResponse, Response, error_answer
from netd.listeners.http.routes.daemon_status import DaemonStatus
from netd.listeners.http.routes.directory import Directory
from netd.listeners.http.routes.metrics import Metrics

READS: Final = frozenset({"GET", "HEAD"})


class Handler(Protocol):
    """What a route does with a request whose method it allows."""

    methods: frozenset[str]
    takes_body: bool

    def answer(self, request: Request, path: str, body: bytes) -> Response | DeferredResponse:
        """Answer a request for the decoded `path`."""


class Text:
    """Always the same content."""

    methods = READS
    takes_body = False

    def __init__(self, content: bytes, content_type: str) -> None:
        fields = (("Content-Type", content_type),)
        self._answer = Response(200, fields, (content,), proofs=())

    def answer(self, _request: Request, _path: str, _body: bytes) -> Response:
        return self._answer


class Redirect:
    """Sends the client elsewhere."""

    methods = READS
    takes_body = False

    def __init__(self, options: RouteOptions) -> None:
        assert options.redirect is not None
        self._options = options
        self._target = options.redirect

    def answer(self, request: Request, path: str, _body: bytes) -> Response:
        if "{host}" in self._target and not request.host:
            return error_answer(400)  # HTTP/1.0 need not say whom it asks
        where = self._target.replace("{host}", request.host)
        if self._options.is_prefix:
            rest = path[len(self._options.path.rstrip("/")) :]
            where = where.rstrip("/") + format_path(rest) or "/"
            where += f"?{request.query.decode()}" if request.query else ""
        return error_answer(self._options.redirect_status, ("Location", where))


class Echo:
    """Gives back what came: the body, or the request as it was understood."""

    methods = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH"})
    takes_body = True

    def __init__(self, what: str) -> None:
        self._what = what

    def answer(self, request: Request, _path: str, body: bytes) -> Response:
        if self._what == "request":
            lines = [f"{request.method} {request.target.decode()} HTTP/1.{request.minor}".encode()]
            lines += [name + b": " + value for name, value in request.lines]
            return Response(
                200, (("Content-Type", "text/plain"),), (b"\n".join([*lines, b"", body]),)
            )
        media_type = request.fields.get(b"content-type", b"application/octet-stream")
        fields = (
            ("Content-Type", media_type.decode("latin-1")),
            ("Content-Security-Policy", "sandbox"),  # what others sent must not act as our page
        )
        return Response(200, fields, (body,))


def make_handler(options: RouteOptions, daemon: DaemonStatus) -> Handler:
    """The handler for what a route's options name."""
    if options.text is not None:
        return Text(options.text.encode(), options.content_type)
    if options.directory is not None:
        return Directory(options)
    if options.redirect is not None:
        return Redirect(options)
    if options.echo is not None:
        return Echo(options.echo)
    if options.health is not None:
        return Text(b"ok\n", "text/plain; charset=utf-8")
    return _status_page(daemon) if options.status is not None else Metrics(daemon)


def _status_page(daemon: DaemonStatus) -> Handler:
    from netd.listeners.http.routes.status_page import StatusPage  # noqa: PLC0415 (heavy, seldom used)

    return StatusPage(daemon)

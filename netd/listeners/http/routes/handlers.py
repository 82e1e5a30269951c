"""The actions of routes: fixed text, redirects, echo.

Files have their own package; the status page and the metrics have their own modules.
"""

from __future__ import annotations

import os
from typing import Final, Protocol

from netd.listeners.http.files.directory import Directory
from netd.listeners.http.files.representation import Served
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.response import DeferredResponse, Response, error_response
from netd.listeners.http.protocol.target import format_path
from netd.listeners.http.route_options import RouteOptions
from netd.listeners.http.routes.daemon_status import DaemonStatus
from netd.listeners.http.routes.metrics import Metrics
from netd.listeners.http.routes.worker_context import WorkerContext

_ALL_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
READ_METHODS: Final = frozenset({"GET", "HEAD"})


class Handler(Protocol):
    """The action of a route."""

    methods: frozenset[str]
    """The methods that are allowed, besides OPTIONS."""
    takes_body: bool
    """Whether `respond` needs the request's body."""

    def respond(self, request: Request, path: str, body: bytes) -> Response | DeferredResponse:
        """Respond to a request with an allowed method for the decoded `path`."""


class Text:
    """Responds with the same content to every request."""

    methods = READ_METHODS
    takes_body = False

    def __init__(self, content: bytes, content_type: str) -> None:
        fields = (("Content-Type", content_type),)
        self._response = Response(200, fields, (content,), stamps=())

    def respond(self, _request: Request, _path: str, _body: bytes) -> Response:
        return self._response


class Redirect:
    """Sends the client to another URL."""

    takes_body = False

    def __init__(self, options: RouteOptions, target: str) -> None:
        """Redirect to the URL `target`, in which `{host}` stands for the request's host."""
        keeps_method = options.redirect_status in (307, 308)  # RFC 9110 section 15.4.8
        self.methods = _ALL_METHODS if keeps_method else READ_METHODS
        self._options = options
        self._target = target

    def respond(self, request: Request, path: str, _body: bytes) -> Response:
        if "{host}" in self._target and not request.host:
            return error_response(400)  # HTTP/1.0 requires no Host
        location = self._target.replace("{host}", request.host)
        if self._options.is_prefix:
            rest = path[len(self._options.path.rstrip("/")) :]
            location = location.rstrip("/") + format_path(rest) or "/"
            location += f"?{request.query.decode()}" if request.query else ""
        return error_response(self._options.redirect_status, ("Location", location))


class EchoBody:
    """Sends the request's body back."""

    methods = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH"})
    takes_body = True

    def respond(self, request: Request, _path: str, body: bytes) -> Response:
        media_type = request.fields.get(b"content-type", b"application/octet-stream")
        fields = (
            ("Content-Type", media_type.decode("latin-1")),
            # A client's content must not act as a page of this server.
            ("Content-Security-Policy", "sandbox"),
        )
        return Response(200, fields, (body,))


class EchoRequest:
    """Sends the whole request back, as netd parsed it."""

    methods = EchoBody.methods
    takes_body = True

    def respond(self, request: Request, _path: str, body: bytes) -> Response:
        lines = [f"{request.method} {request.target.decode()} HTTP/1.{request.minor}".encode()]
        lines += [name + b": " + value for name, value in request.lines]
        content = b"\n".join([*lines, b"", body])
        return Response(200, (("Content-Type", "text/plain"),), (content,))


def make_handler(options: RouteOptions, context: WorkerContext) -> Handler:
    """Make the handler for the one action in a route's options."""
    if options.text is not None:
        return Text(options.text.encode(), options.content_type)
    if options.directory is not None:
        root = os.path.abspath(options.directory)
        return Directory(Served(options, root, context.compressions), context.listings)
    if options.redirect is not None:
        return Redirect(options, options.redirect)
    if options.echo is not None:
        return EchoBody() if options.echo == "body" else EchoRequest()
    return _make_to_chat(options, context) or _make_report(options, context.daemon)


def _make_to_chat(options: RouteOptions, context: WorkerContext) -> Handler | None:
    if options.chat is not None:
        from netd.listeners.http.routes.chat import Chat  # noqa: PLC0415 (has the page, and is rarely used)

        return Chat(options, options.chat)
    if options.post is not None:
        from netd.listeners.http.routes.hook import Hook  # noqa: PLC0415 (rarely used)

        return Hook(options, options.post, context.call_hook, context.denials)
    return None


def _make_report(options: RouteOptions, daemon: DaemonStatus) -> Handler:
    if options.health is not None:
        return Text(b"ok\n", "text/plain; charset=utf-8")
    if options.metrics is not None:
        return Metrics(daemon)
    from netd.listeners.http.routes.status_page import StatusPage  # noqa: PLC0415 (large, and rarely used)

    return StatusPage(daemon)

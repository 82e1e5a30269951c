"""The route to a chat listener: a page for browsers, and WebSocket connections."""

from __future__ import annotations

from typing import Final

from netd.listeners.http.protocol.event import Framing, Request
from netd.listeners.http.protocol.response import HandoffTarget, Response, error_response
from netd.listeners.http.route_options import RouteOptions
from netd.listeners.http.routes.chat_page import MANIFEST, assemble
from netd.listeners.http.routes.client_address import credentials_of
from netd.listeners.http.routes.origin import permits_origin, refuse_origin
from netd.protocols.websocket import requests_websocket

_SWITCHING_PROTOCOLS: Final = 101
_MANIFEST: Final = Response(
    200, (("Content-Type", "application/manifest+json"),), (MANIFEST.encode(),), stamps=()
)


class Chat:
    """Responds with the page, and hands off connections that request WebSocket."""

    methods = frozenset({"GET", "HEAD"})
    takes_body = False

    def __init__(self, options: RouteOptions, listener: str) -> None:
        self._listener = listener
        self._origins = options.origins
        self._has_users = bool(options.users)
        page, policy = assemble()
        fields = (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", policy),
            ("Cache-Control", "no-cache"),
        )
        self._page = Response(200, fields, (page.encode(),), stamps=())

    def respond(self, request: Request, _path: str, _body: bytes) -> Response:
        """Respond to a request of a user that may use the route."""
        if request.method != "GET" or not requests_websocket(request.fields):
            return _MANIFEST if request.query == b"manifest" else self._page
        if request.framing is not Framing.NONE or not request.minor:
            return error_response(400)  # RFC 9110 section 7.8: HTTP/1.0 has no Upgrade
        if not permits_origin(request.fields, self._origins):
            return refuse_origin(request.fields)
        target = HandoffTarget(self._listener, self._user_of(request))
        return Response(_SWITCHING_PROTOCOLS, handoff=target)

    def _user_of(self, request: Request) -> str:
        credentials = credentials_of(request.fields) if self._has_users else None
        return credentials[0] if credentials else ""

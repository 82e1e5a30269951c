"""The route to a chat listener for scripts: a POST becomes a message, a GET reads messages."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from netd.errors import RemoteProtocolError
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.response import (
    DeferredResponse,
    HandoffTarget,
    Response,
    SendResponse,
)
from netd.listeners.http.route_options import RouteOptions
from netd.listeners.http.routes.client_address import credentials_of
from netd.listeners.http.routes.hook_text import text_of
from netd.listeners.http.routes.origin import permits_origin, refuse_origin
from netd.listeners.http.routes.route_auth import Denial
from netd.listeners.http.routes.worker_context import CallHook
from netd.protocols.hook import MAX_TEXT_BYTES, HookAction, HookLimits, HookReply, HookRequest
from netd.protocols.irc import cut

DEFAULT_COUNT: Final = 50
_MAX_COUNT: Final = 100
_MAX_KEY_BYTES: Final = 256
_KEY_CHARS: Final = 32
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")
_NO_STORE: Final = ("Cache-Control", "no-store")
_LINES: Final = ("Content-Type", "application/x-ndjson")
_EVENTS: Final = ("Content-Type", "text/event-stream")
_UNBUFFERED: Final = ("X-Accel-Buffering", "no")  # nginx keeps events back otherwise
_CHALLENGE: Final = ("WWW-Authenticate", "Bearer")
_SIGNATURE_SCHEME: Final = b"sha256="


class Hook:
    """Passes the requests of scripts on to a chat listener."""

    takes_body = True

    def __init__(
        self, options: RouteOptions, listener: str, call: CallHook, denials: Counter[Denial]
    ) -> None:
        self.methods = frozenset({"POST"} if options.post_only else {"GET", "POST"})
        self._listener = listener
        self._options = options
        self._token = options.token.encode()
        self._limits = HookLimits(
            rate=options.post_rate,
            burst=options.post_burst,
            lines=options.post_lines,
            queue=options.post_queue,
            streams=options.post_streams,
        )
        self._call = call
        self._denials = denials

    def respond(self, request: Request, _path: str, body: bytes) -> Response | DeferredResponse:
        """Respond to a request of a user that may use the route."""
        is_secret = bool(self._token or self._options.users)
        if not permits_origin(request.fields, self._options.origins, same_host=is_secret):
            return refuse_origin(request.fields)
        if self._token and not _has_token(request.fields, body, self._token):
            self._denials[Denial.TOKEN] += 1
            return _refuse(401, "the token is missing or wrong", _CHALLENGE)
        try:
            return self._post(request, body) if request.method == "POST" else self._read(request)
        except RemoteProtocolError as error:
            return _refuse(error.status, str(error))

    def _post(self, request: Request, body: bytes) -> DeferredResponse:
        found = text_of(body, request.fields)
        text = cut(found.text.encode(), MAX_TEXT_BYTES).decode()
        hook = self._request(HookAction.POST, text=text, key=self._key_of(request))
        return DeferredResponse(
            partial(self._start, hook, partial(_to_posted, is_slack=found.is_slack))
        )

    def _read(self, request: Request) -> Response | DeferredResponse:
        query = parse_qs(request.query.decode("latin-1"))
        after = query.get("after", [""])[-1]
        if b"text/event-stream" in request.fields.get(b"accept", b"").lower():
            after = request.fields.get(b"last-event-id", after.encode()).decode("latin-1")
            hook = self._request(HookAction.STREAM, after=_check_id(after))
            fields = (_EVENTS, _NO_STORE, _UNBUFFERED)
            return Response(200, fields, handoff=HandoffTarget(self._listener, hook=hook))
        count = query.get("limit", [str(DEFAULT_COUNT)])[-1]
        if not re.fullmatch("[0-9]{1,9}", count) or int(count) == 0:
            raise RemoteProtocolError("limit has to be a number from 1 to 100", 400)
        count_read = min(int(count), _MAX_COUNT)
        hook = self._request(HookAction.READ, after=_check_id(after), count=count_read)
        return DeferredResponse(partial(self._start, hook, _to_lines))

    def _request(
        self, action: HookAction, *, text: str = "", key: str = "", after: str = "", count: int = 0
    ) -> HookRequest:
        channel, nick = self._options.channel, self._options.nick
        return HookRequest(
            action, channel, nick, self._limits, text=text, key=key, after=after, count=count
        )

    def _key_of(self, request: Request) -> str:
        """The key of a message: the client's, or that of this very request.

        Members of the channel see it, so it is made of nothing that is secret.
        """
        given = request.fields.get(b"idempotency-key", b"")
        if len(given) > _MAX_KEY_BYTES:
            raise RemoteProtocolError(f"Idempotency-Key is over {_MAX_KEY_BYTES} bytes", 400)
        own = given or b"request " + request.key.encode()
        scope = f"{self._options.channel} {self._options.nick} ".encode()
        return hashlib.sha256(scope + own).hexdigest()[:_KEY_CHARS]

    def _start(
        self, hook: HookRequest, to_response: Callable[[HookReply], Response], send: SendResponse
    ) -> None:
        self._call(self._listener, hook, lambda reply: send(to_response(reply)))


def _has_token(fields: dict[bytes, bytes], body: bytes, token: bytes) -> bool:
    """Whether a request has the token: as bearer, as a password, or as the key of a signature."""
    signature = fields.get(b"x-hub-signature-256", b"")  # GitHub's
    if signature.startswith(_SIGNATURE_SCHEME):
        right = hmac.new(token, body, hashlib.sha256).hexdigest().encode()
        return hmac.compare_digest(signature[len(_SIGNATURE_SCHEME) :], right)
    scheme, _, given = fields.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return hmac.compare_digest(given.strip(), token)
    credentials = credentials_of(fields)
    return credentials is not None and hmac.compare_digest(credentials[1].encode(), token)


def _check_id(after: str) -> str:
    if after and not _ID.fullmatch(after):
        raise RemoteProtocolError("after has to be the id of a message", 400)
    return after


def _to_posted(reply: HookReply, *, is_slack: bool) -> Response:
    if reply.reason:
        return _to_refusal(reply)
    posted = ("X-Message-Id", reply.message_id)
    if is_slack:  # its clients take any other response for a failure
        return Response(200, (("Content-Type", "text/html"), posted), (b"ok",))
    return Response(204, (posted,))


def _to_lines(reply: HookReply) -> Response:
    if reply.reason:
        return _to_refusal(reply)
    return Response(200, (_LINES, _NO_STORE), (reply.content,))


def _to_refusal(reply: HookReply) -> Response:
    retry = (("Retry-After", str(reply.retry_after_s)),) if reply.retry_after_s else ()
    return _refuse(reply.status, reply.reason, *retry)


def _refuse(status: int, reason: str, *fields: tuple[str, str]) -> Response:
    return Response(status, (_TEXT, *fields), (f"{reason}\n".encode(),))

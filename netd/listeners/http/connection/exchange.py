"""The requests of one connection and their responses, in order.

Bytes enter by `receive`; each `step` parses some of them or queues a response. The exchange uses
no socket: waiting and deadlines belong to the connection.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from netd.errors import RemoteProtocolError
from netd.listeners.http.connection.send_queue import JOINED_BYTES
from netd.listeners.http.protocol.event import Data, End, Framing, Request
from netd.listeners.http.protocol.request_reader import ReadPhase, RequestReader, SavedReader
from netd.listeners.http.protocol.response import (
    CONTINUE,
    DeferredResponse,
    Fields,
    HandoffTarget,
    Part,
    Response,
)
from netd.listeners.http.response.responder import Responder, close_files
from netd.protocols.handoff import Handoff

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class SavedExchange:
    """The state of an Exchange for another process."""

    reader: SavedReader
    body: bytes | None = None
    is_deferred: bool = False
    closes: bool = False
    key: str = ""

    def __post_init__(self) -> None:
        if self.is_deferred and not self.reader.head:
            raise ValueError("a response without its request")


class Exchange:
    """Exists from the first byte of a request until all received requests have a response."""

    __slots__ = (
        *("_body", "_handoff_fields", "_host", "_on_response", "_queue", "_reader", "_request"),
        *("_responder", "_uncached", "began_s", "closes", "handoff", "is_deferred", "responses"),
    )

    def __init__(
        self,
        responder: Responder,
        host: str,
        queue: Callable[[Part], object],
        on_response: Callable[[], object],
    ) -> None:
        """Call `queue` with each part to send, and `on_response` after a deferred response."""
        self._responder = responder
        self.began_s = responder.time()
        """When the request that is being read began: the time of its first byte, or of the last
        response if it had arrived before."""
        self._host = host
        self._queue = queue
        self._on_response = on_response
        self._reader = RequestReader(responder.limits)
        self._request: Request | None = None
        self._body: bytearray | bytes | None = None
        self._uncached: bytes | None = None
        self.responses = 0
        """How many responses were queued."""
        self.closes = False
        """True if the connection must be closed after the queued parts are sent."""
        self.is_deferred = False
        """True while a response is being made; no request is read meanwhile."""
        self._handoff_fields: Fields = ()
        self.handoff: HandoffTarget | None = None
        """The listener that gets the connection, once all queued parts are sent."""

    def save(self) -> SavedExchange:
        """Describe the request that is being read, or whose response is being made."""
        body = None if self._body is None else bytes(self._body)
        is_deferred = self.is_deferred or self.handoff is not None
        key = self._request.key if self._request is not None and body is not None else ""
        return SavedExchange(self._reader.save(), body, is_deferred, self.closes, key)

    def load(self, saved: SavedExchange) -> None:
        """Continue with a request that was saved; a response that was deferred is made again.

        The present limits and routes apply. Parts can be queued.
        """
        self._reader = RequestReader.load(saved.reader, self._responder.limits)
        self._body = None if saved.body is None else bytearray(saved.body)
        self.closes = saved.closes
        if not saved.reader.head or saved.closes:
            return
        try:
            request = replace(self._reader.parse_again(), key=saved.key)
            self._continue(request, is_deferred=saved.is_deferred)
        except RemoteProtocolError as error:
            self.refuse(error.status, str(error))

    @property
    def head(self) -> bytes:
        """The head of the last request, as received."""
        return self._reader.head

    @property
    def is_over(self) -> bool:
        """Whether every request received has its response."""
        return self._reader.is_between_requests

    @property
    def is_in_head(self) -> bool:
        """Whether the head of a request is incomplete."""
        return self._reader.phase is ReadPhase.HEAD

    def receive(self, data: bytes, *, is_looked_up: bool) -> None:
        """Take bytes from the peer; with `is_looked_up` the cache has no response for them."""
        self._reader.receive(data)
        self._uncached = data if is_looked_up else None

    def step(self, end_s: float) -> bool:
        """Read one event, or queue cached responses until the time `end_s`.

        Returns False if nothing is left to do.
        """
        if self.closes or self.is_deferred or self._reader.is_between_requests:
            return False
        if self.handoff is not None:
            return False
        try:
            head = self._reader.peek_head()
            if head is None or head == self._uncached:
                return self._read()
            return self._send_cached(head, end_s) or self._read()
        except RemoteProtocolError as error:
            self.refuse(error.status, str(error))
            return True

    def refuse(self, status: int, reason: str) -> None:
        """Queue the response to a bad or late request; the connection closes after it."""
        self._queue(self._responder.refuse(self._host, status, reason, self.began_s))
        self.is_deferred = False
        self.closes = True

    def describe_handoff(self, *, is_secure: bool) -> Handoff:
        """The record of the connection for the listener that gets it."""
        assert self._request is not None
        assert self.handoff is not None
        if self.handoff.hook is not None:
            return self._responder.describe_stream(self.handoff.hook, self._handoff_fields)
        user, received = self.handoff.user, self._reader.received
        return self._responder.describe_handoff(
            self._request, self._host, user, received, is_secure=is_secure
        )

    def refuse_handoff(self, response: Response) -> None:
        """Queue a response in place of the hand-off; the connection closes after it."""
        assert self._request is not None
        self.handoff = None
        fields = self._responder.router.fields
        self._send(self._request, response.with_fields(fields), close=True)

    def abandon(self) -> None:
        """Ignore the deferred response, if one is being made: the peer has gone."""
        self.is_deferred = False

    def _send_cached(self, head: bytes, end_s: float) -> bool:
        """Queue the cached responses to this request and to those that follow it, as one part.

        Returns False if there is none for this request.
        """
        responder, host = self._responder, self._host
        following: bytes | None = head
        wires: list[bytes] = []
        taken = size = 0
        while following is not None and size < JOINED_BYTES:
            cached = responder.lookup(following) or responder.lookup_private(host, following)
            if cached is None:
                break
            wires.append(cached.wire)
            size += len(cached.wire)
            taken += len(following)
            cached.tally[0] += 1
            if responder.access_log is not None:
                responder.log_cached(host, following, cached)
            self._after_response(closes=cached.close)
            is_over = self.closes or self.began_s > end_s
            following = None if is_over else self._reader.peek_head(taken)
        if not wires:
            return False
        self._reader.drop(taken)
        self._queue(b"".join(wires))
        responder.requests += len(wires)
        return True

    def _read(self) -> bool:
        match self._reader.next_event():
            case None:
                return False
            case Request() as request:
                self._begin(request)
            case Data(payload):
                if isinstance(self._body, bytearray):
                    self._body += payload
            case End() if self._request is not None:
                self._respond(self._request, close=False)
        return True

    def _begin(self, request: Request) -> None:
        self._uncached = None
        if self._takes_body(request):
            request, self._body = replace(request, key=os.urandom(8).hex()), bytearray()
        else:
            self._body = None
        self._request = request
        if request.expects_continue and not (self._body is not None and self._reader.unread_bytes):
            self._expect_body(request)

    def _takes_body(self, request: Request) -> bool:
        has_body = request.framing is not Framing.NONE
        return has_body and self._responder.router.takes_body(request)

    def _expect_body(self, request: Request) -> None:
        """Respond to a request that expects 100-continue before it sends its body."""
        if self._body is None:
            self._respond(request, close=True)  # the client need not send the unread body
        else:
            permission = self._responder.router.permit_body(request, self._host)
            self._when_made(permission, partial(self._on_permission, request))

    def _continue(self, request: Request, *, is_deferred: bool) -> None:
        """Continue with a request of which another process has read the head, or all."""
        self._request = request
        takes_body = self._takes_body(request)
        if is_deferred and self._reader.phase is not ReadPhase.DONE:
            self._body = bytearray() if takes_body else None  # none was read yet
            self._expect_body(request)
        elif takes_body and self._body is None:
            # No route of the other process needed the body: it was dropped.
            self.refuse(503, "a reload has changed its route in the middle of its body")
        elif is_deferred:
            self._respond(request, close=False)

    def _on_permission(self, request: Request, response: Response) -> None:
        if response.status == CONTINUE:
            self._queue(_CONTINUE)
        else:
            self._send(request, response, close=True)

    def _respond(self, request: Request, *, close: bool) -> None:
        if self._body is not None:
            self._body = bytes(self._body)  # kept until the response is made
        response = self._responder.router.respond(request, self._host, self._body or b"")
        self._when_made(response, partial(self._send, request, close=close))

    def _when_made(
        self, response: Response | DeferredResponse, use: Callable[[Response], None]
    ) -> None:
        if isinstance(response, DeferredResponse):
            self.is_deferred = True
            response.start(lambda made: self._on_deferred(made, use))
        else:
            use(response)

    def _on_deferred(self, response: Response, use: Callable[[Response], None]) -> None:
        if not self.is_deferred:
            close_files(response)
            return
        self.is_deferred = False
        use(response)
        self._on_response()

    def _send(self, request: Request, response: Response, *, close: bool) -> None:
        self._body = None
        self.handoff = response.handoff
        if self.handoff is not None:
            self._handoff_fields = response.fields
            return
        encoded = self._responder.encode(
            *(request, self._reader.head, response),
            host=self._host,
            began_s=self.began_s,
            close=close,
        )
        self._responder.requests += 1
        for part in encoded.parts:
            self._queue(part)
        self._after_response(closes=encoded.close)
        if not close:
            self._reader.start_next()

    def _after_response(self, *, closes: bool) -> None:
        self.began_s = self._responder.time()
        self.responses += 1
        self.closes = closes

"""The requests of one connection and their answers, in order.

Bytes come in by `receive`; each `step` reads on or queues an answer. It knows no socket and no
time: what must wait, and for how long, is the connection's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netd.errors import RemoteProtocolError
from netd.listeners.http.protocol.event import Data, End, Framing, Request
from netd.listeners.http.protocol.request_reader import Phase, RequestReader
from netd.listeners.http.response.responder import Responder
from netd.listeners.http.response.response import DeferredResponse, Part, Response

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """Lasts from the first byte of a request until all that came is answered."""

    __slots__ = (
        *("_body", "_head", "_host", "_on_made", "_queue", "_reader", "_request", "_server"),
        *("answered", "ends", "waits"),
    )

    def __init__(
        self,
        server: Responder,
        host: str,
        queue: Callable[[Part], object],
        on_made: Callable[[], object],
    ) -> None:
        """`queue` takes what is to be sent; `on_made` is called when an answer took its time."""
        self._server = server
        self._host = host
        self._queue = queue
        self._on_made = on_made
        self._reader = RequestReader(server.limits)
        self._request: Request | None = None
        self._head: bytes | None = None
        self._body: bytearray | None = None
        self.answered = 0
        """How many answers were queued."""
        self.ends = False
        """True once the connection is to end after what is queued."""
        self.waits = False
        """True while an answer is being made; nothing is read meanwhile."""

    @property
    def is_over(self) -> bool:
        """Whether all that came is answered."""
        return self._reader.is_between_requests

    @property
    def is_in_head(self) -> bool:
        """Whether it is a head that is not complete."""
        return self._reader.phase is Phase.HEAD

    def receive(self, data: bytes) -> None:
        """Take in what the peer sent."""
        self._reader.receive(data)

    def step(self) -> bool:
        """Read or answer a little; False once there is nothing to do for now."""
        if self.ends or self.waits or self._reader.is_between_requests:
            return False
        try:
            head = self._reader.peek_head()
            return (head is not None and self._answer_ready(head)) or self._read(head)
        except RemoteProtocolError as error:
            self.refuse(error.status)
            return True

    def refuse(self, status: int) -> None:
        """Answer what is no request, or not in time; the connection ends with it."""
        refusal = self._server.refuse(status)
        self._server.note(self._host, b"", refusal)
        self._queue(refusal)
        self.waits = False
        self.ends = True

    def abandon(self) -> None:
        """Nobody is there any more for the answer that is being made."""
        self.waits = False

    def _answer_ready(self, head: bytes) -> bool:
        ready = self._server.lookup(head)
        if ready is None:
            return False
        self._reader.drop(len(head))
        self._queue(ready.wire)
        self._server.note(self._host, head, ready.wire)
        self._count(ends=ready.close)
        return True

    def _read(self, head: bytes | None) -> bool:
        match self._reader.next_event():
            case None:
                return False
            case Request() as request:
                self._begin(request, head)
            case Data(payload):
                if self._body is not None:
                    self._body += payload
            case End():
                self._answer(close=False)
        return True

    def _begin(self, request: Request, head: bytes | None) -> None:
        self._request, self._head = request, head
        has_body = request.framing is not Framing.NONE
        self._body = bytearray() if has_body and self._server.site.wants_body(request) else None
        if request.expects_continue:
            if self._body is None:
                self._answer(close=True)  # the client need not send what nobody will read
            elif not self._reader.unread_bytes:
                self._queue(_CONTINUE)

    def _answer(self, *, close: bool) -> None:
        assert self._request is not None
        answer = self._server.site.answer(self._request, self._host, bytes(self._body or b""))
        self._body = None
        if isinstance(answer, DeferredResponse):
            self.waits = True
            answer.begin(lambda made: self._take_made(made, close=close))
        else:
            self._give(answer, close=close)

    def _take_made(self, answer: Response, *, close: bool) -> None:
        if not self.waits:
            answer.release()
            return
        self.waits = False
        self._give(answer, close=close)
        self._on_made()

    def _give(self, answer: Response, *, close: bool) -> None:
        assert self._request is not None
        parts, ends = self._server.format(self._request, self._head, answer, close=close)
        self._server.note(self._host, self._head or b"", *parts)
        for part in parts:
            self._queue(part)
        self._count(ends=ends)
        if not close:
            self._reader.start_next()

    def _count(self, *, ends: bool) -> None:
        self._server.requests += 1
        self.answered += 1
        self.ends = ends

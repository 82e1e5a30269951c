"""What all connections of a worker share: the site, the ready answers, the date, the figures."""

from __future__ import annotations

import time

from netd.listeners.http.options import HttpOptions
from netd.listeners.http.protocol.date import format_date
from netd.listeners.http.protocol.event import Framing, Request
from netd.listeners.http.protocol.head import Limits
from netd.listeners.http.protocol.status import has_content
from netd.listeners.http.response.access_log import AccessLog
from netd.listeners.http.response.response import (
    CachedResponse,
    FilePart,
    FileStamp,
    Part,
    Response,
    error_answer,
    head_parts,
)
from netd.listeners.http.response.response_cache import ResponseCache
from netd.listeners.http.routes.router import Router, WorkerContext


class Responder:
    """Turns requests into bytes; knows no socket."""

    def __init__(self, options: HttpOptions, means: WorkerContext) -> None:
        self._means = means
        self.is_closing = False
        """True once the worker drains: every answer then ends its connection."""
        self.requests = self.ready_hits = self.refusals = self.timeouts = self.truncated = 0
        self.handshake_failures = 0
        self.bytes_in = self.bytes_out = 0
        self.access_log: AccessLog | None = None
        self.tick_date()
        self.configure(options)

    def configure(self, options: HttpOptions) -> None:
        """Answer by these options from now on."""
        self.options = options
        self.flush_log()
        self.access_log = AccessLog(options) if options.access_log else None
        self.site = Router(options, self._means)
        self.limits = Limits(
            request_line=options.max_request_line,
            head=options.max_head,
            fields=options.max_fields,
            body=options.max_body,
        )
        self._common = f"Server: {options.server}\r\n".encode("latin-1") if options.server else b""
        self.forget_ready()

    def flush_log(self) -> None:
        """Write what was noted for the access log."""
        if self.access_log is not None:
            self.access_log.flush()

    def forget_ready(self) -> None:
        """Drop every ready answer; none are kept while the worker drains."""
        self.cache = ResponseCache(0 if self.is_closing else self.options.cache_size)
        self.entries = self.cache.entries

    def tick_date(self) -> float:
        """Take the present second's date; how many seconds it stays right."""
        now = time.time()
        self.tick = int(now)
        self.date_line = f"Date: {format_date(self.tick)}\r\n".encode()
        return self.tick + 1 - now

    def lookup(self, head: bytes) -> CachedResponse | None:
        """A ready answer to this head, of this second, that still holds."""
        ready = self.entries.get(head)
        if ready is None:
            return None
        for proof in ready.proofs:
            if not proof.holds():
                self.cache.drop(head)
                return None
        if ready.tick != self.tick:
            ready.refresh(self.tick, self.date_line)
        if ready.source is not None:
            return self._fill(head, ready, ready.source)
        self.ready_hits += 1
        return ready

    def _fill(self, head: bytes, ready: CachedResponse, source: FileStamp) -> CachedResponse | None:
        """A bare answer with its content, if that is still the same."""
        content = source.read()
        if content is None:
            self.cache.drop(head)
            return None
        self.ready_hits += 1
        return CachedResponse(ready.wire + content, close=ready.close)

    def format(
        self, request: Request, head: bytes | None, answer: Response, *, close: bool = False
    ) -> tuple[tuple[Part, ...], bool]:
        """All that is to be sent for a request, and whether the connection ends with it.

        `head` is the request's as it came, under which an answer that holds is kept.
        """
        close = close or answer.close or self.is_closing or not request.keep_alive
        if request.method == "HEAD":
            answer.release()
        wire, date_at, content = self._format(answer, request, close=close)
        if any(isinstance(part, FilePart) for part in content):
            return (wire, *content), close
        whole = wire + b"".join(part for part in content if isinstance(part, bytes))
        if head is not None and answer.proofs is not None and request.framing is Framing.NONE:
            forms = [CachedResponse(whole, date_at, answer.proofs, close=close)]
            if content and answer.source is not None:
                forms.append(CachedResponse(wire, date_at, source=answer.source, close=close))
            self.cache.keep(head, *forms)
        return (whole,), close

    def refuse(self, status: int) -> bytes:
        """The whole answer to what is no request; it ends the connection."""
        self.refusals += 1
        answer = error_answer(status).with_fields(self.site.fields)
        wire, _, content = self._format(answer, None, close=True)
        return wire + b"".join(part for part in content if isinstance(part, bytes))

    def _format(
        self, answer: Response, request: Request | None, *, close: bool
    ) -> tuple[bytes, int, tuple[Part, ...]]:
        """The head, where in it the Date line stands, and the content to send after it."""
        minor = request.minor if request else 1
        before, after = head_parts(answer, common=self._common, minor=minor, close=close)
        has_none = (request and request.method == "HEAD") or not has_content(answer.status)
        return before + self.date_line + after, len(before), () if has_none else answer.content

    def note(self, host: str, head: bytes, *parts: Part) -> None:
        """Put an answer into the access log, if there is one."""
        if self.access_log is not None and isinstance(parts[0], bytes):
            size = sum(len(part) if isinstance(part, bytes) else part.count for part in parts)
            head_size = parts[0].index(b"\r\n\r\n") + 4
            self.access_log.add(host, head, int(parts[0][9:12]), size - head_size)

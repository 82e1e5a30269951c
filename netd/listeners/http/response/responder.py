"""Shared by all connections of a worker: routes, response cache, Date line, log and counters."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Final, NamedTuple

from netd.listeners.http.options import HttpOptions
from netd.listeners.http.protocol.date import format_date
from netd.listeners.http.protocol.event import Framing, Request
from netd.listeners.http.protocol.head import KNOWN_METHODS, RequestLimits
from netd.listeners.http.protocol.response import (
    Fields,
    FilePart,
    HandoffTarget,
    Part,
    Response,
    error_response,
    format_head,
    has_content,
)
from netd.listeners.http.response.access_log import AccessLog
from netd.listeners.http.response.response_cache import (
    CachedResponse,
    CacheKey,
    ResponseCache,
    is_current,
    read_current,
)
from netd.listeners.http.response.statistics import Statistics
from netd.listeners.http.routes.client_address import client_of, is_forwarded_securely
from netd.listeners.http.routes.router import Router
from netd.listeners.http.routes.worker_context import WorkerContext
from netd.protocols.handoff import Handoff
from netd.protocols.hook import HookRequest, format_request

_LOG_CLOSING_S: Final = 1.0
_OK: Final = 200
_OTHER: Final = "other"
_SWITCHING_PROTOCOLS: Final = 101
_LAST: Final = b"Connection: close\r\n\r\n"


class EncodedResponse(NamedTuple):
    """The parts to send, and whether the connection closes after them."""

    parts: tuple[Part, ...]
    close: bool


class Responder:
    """Makes the bytes of responses; uses no socket."""

    def __init__(self, options: HttpOptions, context: WorkerContext) -> None:
        self._context = context
        self._is_closing = False
        self.closes_idle = False
        """Whether a connection ends as soon as its last response is sent: the daemon stops."""
        self.requests = self.cache_hits = self.refusals = self.timeouts = self.truncated = 0
        self.handshake_failures = 0
        self.statistics = Statistics()
        self.time = context.clock
        self._refusal_log = context.refusal_log
        self.bytes_in = self.bytes_out = 0
        self.access_log: AccessLog | None = None
        self._lost_before = 0  # by the logs before this one
        self.update_date()
        self.configure(options)

    def configure(self, options: HttpOptions) -> None:
        """Use these options from now on."""
        self.options = options
        self._configure_log(options)
        self.router = Router(options, self._context)
        self.limits = RequestLimits(
            request_line=options.max_request_line,
            head=options.max_head,
            fields=options.max_fields,
            body=options.max_body,
        )
        self._common = f"Server: {options.server}\r\n".encode("latin-1") if options.server else b""
        self._clear_cache()

    def start_closing(self) -> None:
        """Close each connection with its next response and cache no more, as the worker drains."""
        self._is_closing = True
        self._clear_cache()

    def stop_closing(self) -> None:
        """Keep connections open again, after `start_closing`."""
        self._is_closing = False
        self._clear_cache()

    def flush_log(self) -> None:
        """Write the access log's lines."""
        if self.access_log is not None:
            self.access_log.flush()

    def close_log(self) -> None:
        """Write the access log's lines, and wait a moment until they are written."""
        if self.access_log is not None:
            self.access_log.close(_LOG_CLOSING_S)

    def hold_log(self) -> None:
        """Let the access log's thread end; entries to come are kept until `resume_log`."""
        if self.access_log is not None:
            self.access_log.hold()

    def resume_log(self) -> None:
        """Write the access log again, after `hold_log`."""
        if self.access_log is not None:
            self.access_log.resume()

    def pass_on_log(self) -> None:
        """Forget the entries of the access log since `hold_log`, and write those to come."""
        if self.access_log is not None:
            self.access_log.pass_on()

    @property
    def is_log_written(self) -> bool:
        """Whether the access log's thread has ended, after `hold_log`."""
        return self.access_log is None or self.access_log.is_written

    @property
    def log_lines_lost(self) -> int:
        """The number of lines of access logs that were lost."""
        return self._lost_before + (self.access_log.lost if self.access_log else 0)

    def degraded(self) -> str:
        """Why the access log is not written at present; empty if it is, or there is none."""
        return self.access_log.failure if self.access_log else ""

    def update_date(self) -> float:
        """Set the Date line to the present second. Returns the seconds until the next one."""
        now = time.time()
        self._second = int(now)
        self._date_line = f"Date: {format_date(self._second)}\r\n".encode()
        return self._second + 1 - now

    def lookup(self, key: CacheKey) -> CachedResponse | None:
        """Return the cached response if its files have not changed."""
        cached = self._entries.get(key)
        if cached is None:
            return None
        for stamp in cached.stamps:
            if not is_current(stamp):
                self.cache.drop(key)
                return None
        if cached.second != self._second:
            cached.set_date(self._second, self._date_line)
        if cached.source is not None:
            content = read_current(cached.source)
            if content is None:
                self.cache.drop(key)
                return None
            cached = cached.with_content(content)
        self.cache_hits += 1
        return cached

    def lookup_private(self, host: str, head: bytes) -> CachedResponse | None:
        """Return the response cached for this peer alone, if it is current and still permitted."""
        key = host, head
        cached = self._entries.get(key)
        if cached is None or cached.is_permitted is None or not cached.is_permitted():
            return None
        return self.lookup(key)

    def encode(  # noqa: PLR0913 (the parts of an exchange)
        self,
        request: Request,
        head: bytes | None,
        response: Response,
        *,
        host: str,
        began_s: float,
        close: bool,
    ) -> EncodedResponse:
        """Make the bytes of a response, count and log it, and cache it if that is allowed.

        `head` is the request's head as received, if it is known; `host` is the peer's address;
        `began_s` is the time of the request's first byte.
        """
        close = close or self._is_closing or not request.keep_alive
        if request.method == "HEAD":
            close_files(response)
        is_head_only = request.method == "HEAD" or not has_content(response.status)
        content = () if is_head_only else response.content
        duration_s = self.time() - began_s
        self.statistics.add(_label(request.method), response.status, duration_s)
        if self.access_log is not None:
            sent = response.length if content else 0
            self.access_log.add(host, head or b"", response.status, sent, duration_s)
        if response.reason:
            self._log_refusal(
                client_of(host, request.fields, self.options.forwarded_from), response
            )
        before, after = format_head(response, common=self._common, minor=request.minor, close=close)
        wire = before + self._date_line + after
        if any(isinstance(part, FilePart) for part in content):
            return EncodedResponse((wire, *content), close)
        whole = wire + _join(content)
        if head is not None and response.stamps is not None and request.framing is Framing.NONE:
            cached = CachedResponse(
                *(whole, response.status, len(wire)),
                close=close,
                date_at=len(before),
                stamps=response.stamps,
                is_permitted=response.is_permitted,
                tally=self.statistics.tally(request.method, response.status),
            )
            key = head if response.is_permitted is None else (host, head)
            self.cache.store(key, cached, response.source if content else None)
        return EncodedResponse((whole,), close)

    def refuse(self, host: str, status: int, reason: str, began_s: float) -> bytes:
        """Make, count and log the response to a bad or late request; it closes the connection."""
        self.refusals += 1
        duration_s = self.time() - began_s
        self.statistics.add(_OTHER, status, duration_s)
        response = error_response(status, reason=reason).with_fields(self.router.fields)
        self._log_refusal(host, response)
        if self.access_log is not None:
            self.access_log.add(host, b"", status, response.length, duration_s)
        before, after = format_head(response, common=self._common, minor=1, close=True)
        return before + self._date_line + after + _join(response.content)

    def describe_handoff(
        self, request: Request, host: str, user: str, received: bytes, *, is_secure: bool
    ) -> Handoff:
        """The record of a connection for the listener that gets it; `host` is the peer's address.

        The client of a trusted proxy is secure if the proxy says so (X-Forwarded-Proto).
        """
        fields, trusted = request.fields, self.options.forwarded_from
        is_secure |= is_forwarded_securely(host, fields, trusted)
        client = client_of(host, fields, trusted)
        return Handoff(client, is_secure, user, is_relayed=False, received=received)

    def describe_stream(self, hook: HookRequest, fields: Fields) -> Handoff:
        """The record of a connection on which another listener sends events without end."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("latin-1")
        head = (b"HTTP/1.1 200 OK\r\n", self._date_line, self._common, lines, _LAST)
        request = replace(hook, head=b"".join(head).decode("latin-1"))
        return Handoff("", False, "", False, format_request(request), is_hook=True)

    def count_bytes(self, received: int, sent: int) -> None:
        """Count bytes of a connection that is relayed to another listener."""
        self.bytes_in += received
        self.bytes_out += sent

    def count_handoff(self, host: str, head: bytes, target: HandoffTarget) -> None:
        """Count and log a request whose connection was handed off to another listener."""
        self.requests += 1
        status = _SWITCHING_PROTOCOLS if target.hook is None else _OK
        self.statistics.add("GET", status, 0.0)
        if self.access_log is not None:
            self.access_log.add(host, head, status, 0, 0.0)

    def log_cached(self, host: str, head: bytes, cached: CachedResponse) -> None:
        """Add a response from the cache to the access log, if there is one."""
        if self.access_log is not None:
            sent = len(cached.wire) - cached.head_bytes
            self.access_log.add(host, head, cached.status, sent, 0.0)

    def _log_refusal(self, client: str, response: Response) -> None:
        source = client or "unix"
        self._refusal_log.write(
            f"request refused: {response.status} to {source}: {response.reason}"
        )

    def _configure_log(self, options: HttpOptions) -> None:
        log = self.access_log
        if log is not None and log.path == options.access_log:
            log.configure(options)
            return
        if log is not None:
            log.close()
            self._lost_before += log.lost
        self.access_log = AccessLog(options) if options.access_log else None

    def _clear_cache(self) -> None:
        self.cache = ResponseCache(0 if self._is_closing else self.options.cache_size)
        self._entries = self.cache.entries


def _label(method: str) -> str:
    """The method, or one word for all that no RFC defines: a client can send any."""
    return method if method in KNOWN_METHODS else _OTHER


def close_files(response: Response) -> None:
    """Close the files of a response whose content is not sent."""
    for part in response.content:
        if isinstance(part, FilePart) and part.is_last:
            os.close(part.fd)


def _join(content: tuple[Part, ...]) -> bytes:
    return b"".join(part for part in content if isinstance(part, bytes))

"""The options of an HTTP listener."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from annotated_types import Ge, Gt

from netd.config.annotations import FilePath, OneOrMany, Pattern
from netd.config.model import Networks
from netd.config.units import Duration, Size
from netd.listeners.http.route_options import LINE, FieldName, FieldValue, RouteOptions
from netd.listeners.logins.login_options import LoginOptions
from netd.listeners.tls_options import TlsOptions

STDERR: Final = "-"
"""The `access_log` that means standard error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpOptions(LoginOptions):
    """An HTTP/1.1 server: text, files and redirects.

    The `routes` decide the response to a request: each route has a path and exactly one action. A
    request takes the route with the longest path that matches, regardless of their order.
    A path or symbolic link never leads out of a directory that is served.
    """

    kind: Literal["http"] = "http"
    """The kind: http."""

    max_connections: Annotated[int, Ge(1)] = 10000
    """The number of connections that each worker serves at once. When there are as many, those that
    have been idle for longest are closed to make room for new ones; if none is idle, the new
    connection is closed and counted."""

    max_connections_per_address: Annotated[int, Ge(0)] = 2000
    """The number of connections that each worker serves from one source address; 0 for no limit. A
    proxy without the PROXY protocol is one address, and so are all clients of a Unix socket."""

    routes: tuple[RouteOptions, ...] = ()
    """The routes; without any, the listener serves a welcome page."""

    tls: OneOrMany[TlsOptions] = ()
    """Serve with TLS. Of several certificates, each client gets the one for the name that it
    requests (SNI, RFC 6066 section 3); a client without a name, or with a name that is in none of
    them, gets the first one."""

    header_timeout: Annotated[Duration, Gt(0)] = 10.0
    """How long a client may take to send the whole head of a request."""

    keepalive_timeout: Annotated[Duration, Gt(0)] = 60.0
    """How long a connection may be idle between two requests."""

    body_timeout: Annotated[Duration, Gt(0)] = 10.0
    """How long a request body may take in addition to the time that `min_rate` allows for it."""

    send_timeout: Annotated[Duration, Gt(0)] = 30.0
    """How long a response may take in addition to the time that `min_rate` allows for it."""

    min_rate: Annotated[Size, Gt(0)] = 1024
    """The minimum rate, in bytes per second, at which a client sends a body and receives a
    response."""

    max_request_line: Annotated[Size, Ge(64)] = 8192
    """The maximum length of a request line, in bytes; a longer one gets 414."""

    max_head: Annotated[Size, Ge(128)] = 32768
    """The maximum length of a request head, in bytes; a longer one gets 431."""

    max_fields: Annotated[int, Ge(1)] = 100
    """The maximum number of header fields in a request; more get 431."""

    max_body: Size = 1048576
    """The maximum length of a request body, in bytes; a longer one gets 413."""

    access_log: FilePath = ""
    """The file of the access log, which gets one line for each response; `-` for standard error or
    the journal, empty for none."""

    access_log_buffer: Size = 16777216
    """The number of bytes of log lines that may wait for the disk or the pipe; further lines are
    lost and counted."""

    access_log_format: Literal["combined", "timed", "json"] = "combined"
    """The format of the access log's lines. `timed` is `combined` with one more value: the seconds
    from the first byte of the request until the response was ready to be sent. JSON has it too."""

    forwarded_from: Networks = ()
    """The networks of proxies whose X-Forwarded-For gives the client's address to `allow` and
    `deny` of routes and to the access log."""

    proxy_protocol_from: Networks = ()
    """The networks of proxies that begin each connection with a PROXY protocol header, version 1
    or 2."""

    cache_size: Size = 33554432
    """The size of each worker's response cache; 0 for no cache. The contents of files use up to two
    thirds of it; beyond these, only the head of a response is cached and the file is read each
    time."""

    headers: dict[FieldName, FieldValue] = field(default_factory=dict)
    """Fields that are added to every response, in addition to `X-Content-Type-Options: nosniff` and
    `X-Frame-Options: SAMEORIGIN`; an empty value removes one of these."""

    server: Annotated[str, Pattern(LINE)] = "netd"
    """The Server field of every response; empty to send none."""

    def handoffs(self) -> dict[tuple[str | int, ...], str]:
        """See `ListenerOptions`."""
        return {
            ("routes", number, key): listener
            for number, route in enumerate(self.routes)
            for key, listener in (("chat", route.chat), ("post", route.post))
            if listener is not None
        }

"""What a person may set for an HTTP listener."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from netd.config.annotations import AfterValidator, OneOrMany, Pattern, Table
from netd.config.model import ListenerOptions, Networks
from netd.config.units import Duration, Size
from netd.errors import LocalProtocolError
from netd.listeners.tls_options import TlsOptions
from netd.protocols.password import check_hash, is_hashed

_ACTIONS = ("text", "directory", "redirect", "echo", "health", "status", "metrics")
_LINE = r"^[\t\x20-\x7e\x80-\xff]*$"  # what may stand in a header field


# What each answer says of itself, once.
_OURS = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})


def _check_name(name: str) -> str:
    if name.lower() in _OURS:
        raise ValueError("netd itself sends this field")
    return name


FieldName = Annotated[str, Pattern(r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$"), AfterValidator(_check_name)]
FieldValue = Annotated[str, Pattern(_LINE)]


UserName = Annotated[str, Pattern("^[^:]+$")]


def _check_hash(stored: str) -> str:
    try:
        check_hash(stored)
    except LocalProtocolError as error:
        raise ValueError(str(error)) from error
    if not is_hashed(stored):
        raise ValueError("no scrypt hash; `netd passwd` makes one of a password")
    return stored


Hash = Annotated[str, AfterValidator(_check_hash)]


Names = OneOrMany[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteOptions(Table):
    """One `[[listeners.NAME.routes]]`: where it applies, and exactly one thing to do there."""

    path: Annotated[str, Pattern("^/[^?#]*$")] = "/"
    """The path the route stands at; the longest path that fits a request wins."""

    host: str = ""
    """Only for requests to this host name; `*.example.org` for every name under it."""

    match: Literal["", "exact", "prefix"] = ""
    """`exact`: this path alone; `prefix`: everything below it too (the default of directories)."""

    text: str | None = None
    """Answer with this text."""

    directory: str | None = None
    """Answer with the files below this directory."""

    redirect: Annotated[str, Pattern(_LINE)] | None = None
    """Send the client to this URL, in which `{host}` is the host asked for; with
    `match = "prefix"` the rest of the path is added: `https://{host}/` leads from http to https."""

    echo: Literal["body", "request"] | None = None
    """Answer with the `body` that was sent, or with the `request` as it was understood."""

    health: Literal[True] | None = None
    """Answer 200 `ok` while the worker takes new connections."""

    status: Literal[True] | None = None
    """Show how the daemon's listeners and workers are, on a page that keeps itself up to date."""

    metrics: Literal[True] | None = None
    """Tell the daemon's figures, all listeners' and workers', in Prometheus' text format."""

    content_type: Annotated[str, Pattern(_LINE)] = "text/plain; charset=utf-8"
    """What a `text` is."""

    redirect_status: Literal[301, 302, 303, 307, 308] = 302
    """The status of a `redirect`."""

    index: Names = ("index.html",)
    """The files that stand for a directory, in the order they are looked for."""

    listing: bool = False
    """Show what is in a directory that has no index file."""

    dotfiles: bool = False
    """Serve names that start with a dot; `.well-known` is served in any case."""

    fallback: str = ""
    """The file below the directory to answer with, 200, where there is none (single-page apps)."""

    error_pages: dict[Annotated[int, Interval(ge=400, le=599)], str] = field(default_factory=dict)
    """The files below the directory to answer errors with, by status: `{ 404 = "404.html" }`."""

    precompressed: bool = False
    """Send `name.br`, `name.zst` or `name.gz` for `name` to who accepts it."""

    gzip: bool = False
    """Compress small texts; the result is kept with the other ready answers."""

    cache_control: Annotated[str, Pattern(_LINE)] = ""
    """The Cache-Control field of every answer of this route, errors too."""

    cache_rules: dict[str, FieldValue] = field(default_factory=dict)
    """Cache-Control for some files of a directory, by the first pattern that fits the name, or the
    path where it has a slash: `{ "*.html" = "no-cache", "/assets/*" = "max-age=31536000" }`."""

    headers: dict[FieldName, FieldValue] = field(default_factory=dict)
    """Fields to add to every answer of this route; an empty value takes away a listener's."""

    allow: Networks = ()
    """Clients' networks that may use the route; none named means all."""

    deny: Networks = ()
    """Clients' networks that may not, even where `allow` names them."""

    users: dict[UserName, Hash] = field(default_factory=dict)
    """Who may use the route, with their passwords' scrypt hashes; none named means everybody."""

    realm: Annotated[str, Pattern(r"^[\x20-\x21\x23-\x5b\x5d-\x7e]*$")] = "netd"
    """What a browser says the password is for."""

    def __post_init__(self) -> None:
        """Raise ValueError unless the route does one thing."""
        named = [action for action in _ACTIONS if getattr(self, action) is not None]
        if len(named) != 1:
            raise ValueError(f"a route needs exactly one of {', '.join(_ACTIONS)}")

    @property
    def is_prefix(self) -> bool:
        """Whether the route holds for everything below its path as well."""
        return self.match == "prefix" or (not self.match and self.directory is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpOptions(ListenerOptions):
    """An HTTP/1.1 server: text, files and redirects, by path."""

    kind: Literal["http"] = "http"
    """The service: http."""

    max_connections: Annotated[int, Ge(1)] = 10000
    """How many connections each worker serves at once; one past that is closed and counted."""

    routes: tuple[RouteOptions, ...] = ()
    """What is served where; none named means a page that says netd works."""

    tls: TlsOptions | None = None
    """Serve under TLS."""

    header_timeout: Annotated[Duration, Gt(0)] = 10.0
    """How long a client may take to send a request's whole head."""

    keepalive_timeout: Annotated[Duration, Gt(0)] = 60.0
    """How long a connection may be idle between two requests."""

    body_timeout: Annotated[Duration, Gt(0)] = 10.0
    """How long a body may take on top of the time `min_rate` grants it."""

    send_timeout: Annotated[Duration, Gt(0)] = 30.0
    """How long an answer may take on top of the time `min_rate` grants it."""

    min_rate: Annotated[Size, Gt(0)] = 1024
    """Bytes a second below which a client's sending or reading is too slow to be served."""

    max_request_line: Annotated[Size, Ge(64)] = 8192
    """The longest request line, in bytes; longer ones are answered 414."""

    max_head: Annotated[Size, Ge(128)] = 32768
    """The longest head, in bytes; longer ones are answered 431."""

    max_fields: Annotated[int, Ge(1)] = 100
    """The most header fields in one request; more are answered 431."""

    max_body: Size = 1048576
    """The longest body, in bytes; longer ones are answered 413."""

    access_log: str = ""
    """A file to append a line to for each answer, `-` for standard error or the journal; empty for
    none."""

    access_log_format: Literal["combined", "json"] = "combined"
    """How the lines are written."""

    forwarded_from: Networks = ()
    """Proxies whose X-Forwarded-For is believed: by routes' networks and by the access log."""

    proxy_protocol_from: Networks = ()
    """Proxies that say who the client is by the PROXY protocol, version 1 or 2, before all else."""

    cache_size: Size = 12582912
    """Bytes of ready answers a worker keeps; 0 to keep none. Of files, a third is for their
    contents; where that is full, the answer's head is kept and the content read each time."""

    headers: dict[FieldName, FieldValue] = field(
        default_factory=lambda: {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "SAMEORIGIN",
        }
    )
    """Fields to add to every answer."""

    server: Annotated[str, Pattern(_LINE)] = "netd"
    """What the Server field says; empty to send none."""

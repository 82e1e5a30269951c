"""The options of a route: a path, and what the listener responds to the requests to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal
from urllib.parse import unquote

from annotated_types import Ge, Interval

from netd.config.annotations import AfterValidator, FilePath, OneOrMany, Pattern, Secret, Table
from netd.config.model import Networks
from netd.config.units import Size
from netd.errors import LocalProtocolError
from netd.protocols.password import check_hash, is_hashed

_ACTIONS: Final = (
    *("text", "directory", "redirect", "echo", "health", "status", "metrics", "chat", "post"),
)
_HOST: Final = r"(\*\.)?[a-zA-Z0-9._~!$&'()+,;=-]+|\[[0-9A-Fa-f:.]+\]|"  # RFC 3986 section 3.2.2
_DEVIATIONS: Final = set("ßς\u200c\u200d")  # IDNA 2003 and 2008 encode them differently
_ORIGIN: Final = r"https?://[^/?#@\s]+"
_CHANNEL: Final = r"^#[^\x00-\x20\x7f,:]{1,63}$"
_NICK: Final = r"^[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}-]{0,63}$"
_BEARER: Final = r"^([\x21-\x7e]{16,256})?$"
LINE: Final = r"^[\t\x20-\x7e\x80-\xff]*$"  # a field value (RFC 9110 section 5.5)

# Fields that netd itself sends in each response.
_RESERVED_FIELDS: Final = frozenset(
    {"connection", "content-length", "date", "server", "transfer-encoding"}
)


def _check_name(name: str) -> str:
    if name.lower() in _RESERVED_FIELDS:
        raise ValueError("netd itself sends this field")
    return name


FieldName = Annotated[str, Pattern(r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$"), AfterValidator(_check_name)]
FieldValue = Annotated[str, Pattern(LINE)]
UserName = Annotated[str, Pattern("^[^:]+$")]


def _check_path(path: str) -> str:
    """Refuse a path that no decoded path of a request can equal (see `parse_path`)."""
    if re.search("%[0-9A-Fa-f]{2}", path):
        decoded = unquote(path)
        raise ValueError(f"{path!r} is compared with decoded paths; write {decoded!r}")
    *segments, last = path.split("/")[1:]
    if {"", ".", ".."} & set(segments) or last in (".", ".."):
        raise ValueError(f"{path!r} matches no request; empty, . and .. segments are removed")
    return path


def _check_host(host: str) -> str:
    """The host name in lower case and in ASCII, as clients send it (RFC 5891 section 5)."""
    ascii_host = host if host.isascii() else _to_ascii(host)
    if not re.fullmatch(_HOST, ascii_host):
        raise ValueError(f"{host!r} is not a host name; write it without scheme, port and path")
    return ascii_host.lower().rstrip(".")


def _to_ascii(host: str) -> str:
    if _DEVIATIONS & set(host):
        raise ValueError(f"{host!r} has several forms in ASCII; write the one you need (xn--...)")
    wildcard, name = ("*.", host[2:]) if host.startswith("*.") else ("", host)
    try:
        return wildcard + name.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"{host!r} is not a host name: {error}") from error


def _check_redirect(target: str) -> str:
    unknown = [name for name in re.findall(r"\{[^{}]*\}", target) if name != "{host}"]
    if unknown:
        raise ValueError(f"{unknown[0]} has no meaning; only {{host}} is replaced")
    if not re.match(r"/|[A-Za-z][A-Za-z0-9+.-]*:", target):
        raise ValueError(f"{target!r} must begin with / or a scheme, as in https://{target}")
    return target


def _check_hash(stored: str) -> str:
    try:
        check_hash(stored)
    except LocalProtocolError as error:
        raise ValueError(str(error)) from error
    if not is_hashed(stored):
        raise ValueError("not a scrypt hash; `netd passwd` makes a hash from a password")
    return stored


def _check_suffix(suffix: str) -> str:
    if not re.fullmatch(r"\.[^./]+", suffix):
        raise ValueError(f"{suffix!r} is not the end of a name, such as .ics")
    return suffix.lower()


def _check_origin(origin: str) -> str:
    if origin != "*" and not re.fullmatch(_ORIGIN, origin):
        raise ValueError(f"{origin!r} is not an origin, such as https://www.example.org")
    return origin.lower()


def _check_token(token: str) -> str:
    if is_hashed(token):
        raise ValueError("write the token itself: it is not a password that can be hashed")
    return token


Hash = Annotated[str, Secret(), AfterValidator(_check_hash)]
Names = OneOrMany[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteOptions(Table):
    """`[[listeners.NAME.routes]]`: a path, and exactly one action for the requests to it."""

    path: Annotated[str, Pattern(r"^/[^?#\x00-\x1f\x7f]*$"), AfterValidator(_check_path)] = "/"
    """The path of the route, without percent-escapes. A request takes the route with the longest
    path that matches."""

    host: OneOrMany[Annotated[str, AfterValidator(_check_host)]] = ()
    """The host name that the route is for, or a list of them; `*.example.org` is for all names
    under `example.org`. Empty for all hosts."""

    match: Literal["", "exact", "prefix"] = ""
    """`exact` matches this path alone, `prefix` also all paths below it. A directory has `prefix`
    by default, any other action `exact`."""

    text: str | None = None
    """Respond with this text."""

    directory: FilePath | None = None
    """Respond with the files below this directory."""

    redirect: Annotated[str, Pattern(LINE), AfterValidator(_check_redirect)] | None = None
    """Redirect the client to this URL. `{host}` stands for the host of the request. With
    `match = "prefix"` the rest of the path is appended, so `https://{host}/` redirects a site to
    https."""

    echo: Literal["body", "request"] | None = None
    """Respond with the `body` of the request, or with the whole `request` as it was parsed."""

    health: Literal[True] | None = None
    """Respond with 200 `ok` while the worker accepts connections."""

    status: Literal[True] | None = None
    """Show the state of the daemon's listeners and workers, on a page that refreshes itself."""

    metrics: Literal[True] | None = None
    """Respond with the counters of all listeners and workers, in the text format of Prometheus."""

    chat: str | None = None
    """Serve the chat listener of this name to browsers: a page to chat with, and WebSocket
    connections, as the page and other clients of IRCv3 make them. The chat listener's limits apply
    to the connections. The user of a route with `users` logs in with SASL EXTERNAL, to the account
    of the same name."""

    origins: OneOrMany[Annotated[str, AfterValidator(_check_origin)]] = ()
    """The other sites whose pages may use `chat` or `post`, such as `https://www.example.org`; `*`
    for all. Pages of the same host may, unless a `post` has neither `token` nor `users`."""

    post: str | None = None
    """Let scripts post to the chat listener of this name, and read it; see the notes on scripts.
    The route needs `channel`, `nick`, and `token`, `users`, or at least `allow`."""

    channel: Annotated[str, Pattern(f"{_CHANNEL}|^$")] = ""
    """The channel of `post`."""

    nick: Annotated[str, Pattern(f"{_NICK}|^$")] = ""
    """The nick of the member that posts. It is logged in to the account of that name, configured or
    not, unless a user has registered it (`reserved_names` of `registration` prevents that)."""

    token: Annotated[str, Pattern(_BEARER), AfterValidator(_check_token), Secret()] = ""
    """The token that a request to `post` needs, of at least 16 characters, such as
    `openssl rand -hex 16` makes: as `Authorization: Bearer TOKEN`, as the password of basic
    authentication with any user name, or as the secret of GitHub's X-Hub-Signature-256."""

    post_rate: Annotated[float, Ge(0)] = 1.0
    """The number of messages per second that `post` takes on average, and the number of times that
    it can be read; more get 429. 0 for no limit."""

    post_burst: Annotated[int, Ge(1)] = 20
    """The number of messages that `post` takes at once."""

    post_lines: Annotated[int, Ge(2)] = 50
    """The number of lines of a message; of a longer text the first lines are posted, and how many
    were left out. `multiline_lines` and `multiline_bytes` of the chat listener apply, too."""

    post_queue: Annotated[int, Ge(1)] = 100
    """The number of requests for one nick that may wait; more get 503."""

    post_streams: Annotated[int, Ge(0)] = 20
    """The number of clients that may read the channel as server-sent events; more get 503."""

    post_only: bool = False
    """Whether a route with `post` only takes messages, and lets no client read any."""

    content_type: Annotated[str, Pattern(LINE)] = "text/plain; charset=utf-8"
    """The Content-Type field of a `text`."""

    redirect_status: Literal[301, 302, 303, 307, 308] = 302
    """The status code of a `redirect`."""

    index: Names = ("index.html",)
    """The index files of a directory, in the order in which they are looked for."""

    listing: bool = False
    """List the files of a directory that has no index file. The query of a request selects the
    order (`?sort=size&order=desc`), the names that contain a text (`?filter=2026`) and the page of
    a long listing (`?page=2`); `?format=json` selects JSON in nginx's format."""

    listing_limit: Annotated[int, Ge(1)] = 10000
    """The number of names that are read from a directory to list it; the page says if there are
    more, and the counter `listings_cut` how often that was so."""

    dotfiles: bool = False
    """Serve files whose name starts with a dot; `.well-known` is always served."""

    fallback: str = ""
    """The file below the directory that is sent, with 200, for a path without a file, as
    single-page applications need it."""

    error_pages: dict[Annotated[int, Interval(ge=400, le=599)], str] = field(default_factory=dict)
    """The files below the directory that are sent with errors, by status:
    `{ 404 = "404.html" }`."""

    media_types: dict[Annotated[str, AfterValidator(_check_suffix)], FieldValue] = field(
        default_factory=dict
    )
    """The Content-Type of files by the end of their names, in place of the usual types:
    `{ ".ics" = "text/calendar; charset=utf-8" }`."""

    etag: Literal["inode", "time"] = "inode"
    """The values of a file that its ETag is made of: time, size and `inode`, or `time` and size
    alone, so that copies of a site on several hosts have the same ETags."""

    precompressed: bool = False
    """Send `name.br`, `name.zst` or `name.gz` in place of `name` to a client that accepts that
    encoding. A file without any of them is sent as `gzip` says."""

    gzip: bool = False
    """Compress texts with gzip, or with zstd if Python has it (since 3.14) and the client accepts
    it; the results are kept."""

    gzip_limit: Size = 4194304
    """The size of the largest text that `gzip` compresses, in bytes."""

    cache_control: Annotated[str, Pattern(LINE)] = ""
    """The Cache-Control field of every response of this route, including errors."""

    cache_rules: dict[str, FieldValue] = field(default_factory=dict)
    """Cache-Control for some files of a directory, by the first pattern that matches the name, or
    the path if the pattern has a slash:
    `{ "*.html" = "no-cache", "/assets/*" = "max-age=31536000" }`."""

    headers: dict[FieldName, FieldValue] = field(default_factory=dict)
    """Fields that are added to every response of this route; an empty value removes a field of the
    listener."""

    cors: OneOrMany[Annotated[str, AfterValidator(_check_origin)]] = ()
    """The other sites whose pages may read the responses, as in `https://www.example.org`; `*` for
    all sites. A route with `users` takes passwords only from pages of the sites that are listed."""

    allow: Networks = ()
    """The networks of clients that may use the route; empty for all networks."""

    deny: Networks = ()
    """The networks of clients that may not use the route, even if `allow` names them."""

    users: dict[UserName, Hash] = field(default_factory=dict)
    """The users that may use the route, with the scrypt hashes of their passwords; empty for no
    authentication."""

    realm: Annotated[str, Pattern(r"^[\x20-\x21\x23-\x5b\x5d-\x7e]*$")] = "netd"
    """The realm that a browser shows when it prompts for the password."""

    def __post_init__(self) -> None:
        """Raise ValueError unless the route has exactly one action."""
        named = [action for action in _ACTIONS if getattr(self, action) is not None]
        if len(named) != 1:
            raise ValueError(f"a route needs exactly one of {', '.join(_ACTIONS)}")
        if self.directory is not None and self.match == "exact":
            raise ValueError('a directory has files below its path, which match = "exact" excludes')
        if self.post is not None:
            self._check_post()

    def _check_post(self) -> None:
        if not (self.channel and self.nick):
            raise ValueError("a route with `post` needs channel and nick")
        if not (self.token or self.users or self.allow) or (self.token and self.users):
            raise ValueError("a route with `post` needs either token or users, or at least allow")

    @property
    def is_prefix(self) -> bool:
        """Whether the route also applies to all paths below its own."""
        return self.match == "prefix" or (not self.match and self.directory is not None)

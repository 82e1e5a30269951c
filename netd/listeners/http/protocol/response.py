"""A response before it becomes bytes, and the format of its head (RFC 9112 section 4).

A response may send parts of open files. This module carries their descriptors as numbers and
never uses them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from netd.listeners.http.pages import STYLE, format_document
from netd.protocols.hook import HookRequest

_PHRASES: Final[dict[int, str]] = {
    **{status.value: status.phrase for status in HTTPStatus},
    413: "Content Too Large",  # the phrases of RFC 9110; Python has older ones before 3.13
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
_WITHOUT_CONTENT: Final = frozenset({204, 304})
_ERROR_STYLE: Final = f"{STYLE}body{{margin:25vh 1rem 0;text-align:center}}h1{{font-size:1.5rem}}"

CONTINUE: Final = 100
"""The status of a response that lets the client send the body; only the status is sent."""

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A path and the signature of the file at that path; None if there was no file."""

    path: str
    signature: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of an open file to send. With `is_last` the descriptor is closed after them."""

    fd: int
    offset: int
    count: int
    is_last: bool = True


Part = bytes | FilePart


@dataclass(frozen=True, slots=True)
class HandoffTarget:
    """The chat listener that gets the connection, and the user that the route has checked."""

    listener: str
    user: str = ""
    hook: HookRequest | None = None
    """The request of a script, which gets the response from then on."""


@dataclass(frozen=True, slots=True)
class Response:
    """A status, header fields and content.

    The response may be cached as long as all `stamps` hold, and must not be cached if they are
    None. `source` is the file that holds the whole content and nothing else, if there is one.
    With `is_permitted` the response is cached for this peer alone, which gets it as long as
    `is_permitted` returns True.

    With a `handoff` nothing is sent: another listener gets the connection, and responds.
    """

    status: int
    fields: Fields = ()
    content: tuple[Part, ...] = ()
    stamps: tuple[FileStamp, ...] | None = None
    source: FileStamp | None = None
    is_permitted: Callable[[], bool] | None = None
    handoff: HandoffTarget | None = None
    reason: str = ""
    """Why the request is refused, for the log of the administrator."""

    @property
    def length(self) -> int:
        """Bytes of content, as a GET receives it."""
        return sum(len(part) if isinstance(part, bytes) else part.count for part in self.content)

    def with_fields(self, fields: Fields) -> Response:
        """Add fields, except those whose name the response has already."""
        present = {name.lower() for name, _ in self.fields}
        added = tuple([field for field in fields if field[0].lower() not in present])
        return replace(self, fields=self.fields + added)

    def then(self, change: Callable[[Response], Response]) -> Response:
        """Change the response, as `DeferredResponse.then` does when it is made."""
        return change(self)

    def while_missing(self, paths: Sequence[str]) -> Response:
        """Allow caching only as long as there is no file at any of these paths."""
        if self.stamps is None or not paths:
            return self
        stamps = (*self.stamps, *(FileStamp(path, None) for path in paths))
        return replace(self, stamps=stamps, source=None)


SendResponse = Callable[[Response], object]


@dataclass(frozen=True, slots=True)
class DeferredResponse:
    """A response that takes time: `start(send)` begins the work, `send(response)` ends it.

    `send` is called once, in a later turn of the loop, never by `start` itself.
    """

    start: Callable[[SendResponse], object]

    def then(self, change: Callable[[Response], Response]) -> DeferredResponse:
        """Change the response when it is made."""
        return DeferredResponse(lambda send: self.start(lambda response: send(change(response))))

    def with_fields(self, fields: Fields) -> DeferredResponse:
        """Add fields to the response when it is made, as `Response.with_fields` does."""
        return self.then(lambda response: response.with_fields(fields))


def error_response(status: int, *fields: tuple[str, str], reason: str = "") -> Response:
    """Make a short page with the status and its phrase; `reason` is for the log alone."""
    content = (_error_page(status),)
    fields = (("Content-Type", "text/html; charset=utf-8"), *fields)
    return Response(status, fields, content, reason=reason)


@functools.cache
def _error_page(status: int) -> bytes:
    title = f"{status} {_PHRASES[status]}"
    body = f"<main><h1>{title}</h1></main>\n"
    return format_document(title, body, style=_ERROR_STYLE, head="").encode()


def has_content(status: int) -> bool:
    """Whether a response with this status carries content (RFC 9112 section 6.3)."""
    return status >= 200 and status not in _WITHOUT_CONTENT  # noqa: PLR2004 (1xx is interim)


def format_head(
    response: Response, *, common: bytes, minor: int, close: bool
) -> tuple[bytes, bytes]:
    """Return the head in two parts: the status line, and the lines that follow the Date line.

    `common` are the complete field lines that all responses of the listener have; `minor` is
    the minor version of the request's HTTP/1.x.
    """
    lines = [f"{name}: {value}\r\n" for name, value in response.fields]
    if has_content(response.status):
        lines.append(f"Content-Length: {response.length}\r\n")
    if close:
        lines.append("Connection: close\r\n")
    elif not minor:
        lines.append("Connection: keep-alive\r\n")
    lines.append("\r\n")
    status_line = f"HTTP/1.1 {response.status} {_PHRASES[response.status]}\r\n".encode()
    return status_line, common + "".join(lines).encode("latin-1")

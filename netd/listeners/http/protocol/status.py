"""Status codes and their phrases (RFC 9110 section 15), as far as netd sends them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

PHRASES: Final[dict[int, str]] = {
    **{status.value: status.phrase for status in HTTPStatus},
    413: "Content Too Large",  # as RFC 9110 has them; Python knew older names until 3.13
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
_WITHOUT_CONTENT: Final = frozenset({204, 304})


def status_line(status: int) -> bytes:
    """The first line of an answer, with its CRLF."""
    return f"HTTP/1.1 {status} {PHRASES[status]}\r\n".encode()


def has_content(status: int) -> bool:
    """Whether an answer of this status carries content (RFC 9112 section 6.3)."""
    return status >= 200 and status not in _WITHOUT_CONTENT  # noqa: PLR2004 (no interim answer)

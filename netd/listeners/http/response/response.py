"""An answer before it is bytes, and ready ones that only want today's date or their content."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from netd.listeners.http.protocol.status import PHRASES, has_content, status_line
from netd.runtime.watched_files import FileSignature, signature_of

Fields = tuple[tuple[str, str], ...]

# O_NONBLOCK: what became a FIFO meanwhile must not hold the worker.
_READING: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK

_ERROR_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<body style="font: 1.1rem system-ui, sans-serif; margin: 20vh auto; text-align: center">
<h1>{title}</h1>
"""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What a kept answer rests on: this path leads to this very file, or to none."""

    path: str
    signature: FileSignature | None

    def holds(self) -> bool:
        """Look again. A path that leads to the same file may be taken without another opening."""
        try:
            return signature_of(os.stat(self.path)) == self.signature
        except (OSError, UnicodeEncodeError):
            return self.signature is None

    def read(self) -> bytes | None:
        """All that the file holds; None where the path no longer leads to this very file."""
        try:
            fd = os.open(self.path, _READING)
        except OSError:
            return None
        try:
            found = os.fstat(fd)
            if signature_of(found) != self.signature:
                return None
            content = os.read(fd, found.st_size)
            return content if len(content) == found.st_size else None
        except OSError:
            return None
        finally:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of an open file to send; `is_last` says that the descriptor is closed after them."""

    fd: int
    offset: int
    count: int
    is_last: bool = True


Part = bytes | FilePart


@dataclass(frozen=True, slots=True)
class Response:
    """A status, fields and content.

    `proofs` is None where the answer must not be kept; `source` is where all its content, and
    nothing else, can be read again.
    """

    status: int
    fields: Fields = ()
    content: tuple[Part, ...] = ()
    proofs: tuple[FileStamp, ...] | None = None
    close: bool = False
    source: FileStamp | None = None

    @property
    def length(self) -> int:
        """Bytes of content a GET gets."""
        return sum(len(part) if isinstance(part, bytes) else part.count for part in self.content)

    def with_fields(self, fields: Fields) -> Response:
        """The same with more fields, those of names it has already left out."""
        named = {name.lower() for name, _ in self.fields}
        more = tuple([field for field in fields if field[0].lower() not in named])
        return Response(
            *(self.status, self.fields + more, self.content, self.proofs, self.close, self.source)
        )

    def while_missing(self, paths: Sequence[str]) -> Response:
        """The same, to be kept only as long as nothing is at any of these paths."""
        if self.proofs is None or not paths:
            return self
        proofs = (*self.proofs, *(FileStamp(path, None) for path in paths))
        return replace(self, proofs=proofs, source=None)

    def release(self) -> None:
        """Close what it holds open; for an answer whose content is not sent."""
        for part in self.content:
            if isinstance(part, FilePart) and part.is_last:
                os.close(part.fd)


@dataclass(frozen=True, slots=True)
class DeferredResponse:
    """An answer that takes its time: `begin(give)` starts it, `give(answer)` ends it.

    `give` is called once, in a later turn of the loop, never by `begin` itself.
    """

    begin: Callable[[Callable[[Response], object]], object]

    def with_fields(self, fields: Fields) -> DeferredResponse:
        """The same, its answer with more fields."""
        return DeferredResponse(
            lambda give: self.begin(lambda made: give(made.with_fields(fields)))
        )


def error_answer(status: int, *fields: tuple[str, str], close: bool = False) -> Response:
    """A short page that says what went wrong."""
    phrase = PHRASES[status]
    page = _ERROR_PAGE.format(title=f"{status} {phrase}").encode()
    return Response(
        status, (("Content-Type", "text/html; charset=utf-8"), *fields), (page,), close=close
    )


class CachedResponse:
    """An answer's bytes, kept; they hold the date of `tick`.

    One with a `source` is bare: its content is read from there each time.
    """

    __slots__ = ("_date_at", "close", "proofs", "source", "tick", "wire")

    def __init__(
        self,
        wire: bytes,
        date_at: int = 0,
        proofs: tuple[FileStamp, ...] = (),
        source: FileStamp | None = None,
        *,
        close: bool,
    ) -> None:
        self.wire = wire
        self._date_at = date_at
        self.proofs = proofs
        self.source = source
        self.close = close
        self.tick = 0.0

    def refresh(self, tick: float, date_line: bytes) -> None:
        """Put the present date in the place of the old."""
        rest = self._date_at + len(date_line)
        self.wire = self.wire[: self._date_at] + date_line + self.wire[rest:]
        self.tick = tick


def head_parts(answer: Response, *, common: bytes, minor: int, close: bool) -> tuple[bytes, bytes]:
    """The head as the bytes before the Date line and those after it, empty line included.

    `common` are whole lines every answer of the listener has.
    """
    lines = [f"{name}: {value}\r\n" for name, value in answer.fields]
    if has_content(answer.status):
        lines.append(f"Content-Length: {answer.length}\r\n")
    if close:
        lines.append("Connection: close\r\n")
    elif not minor:
        lines.append("Connection: keep-alive\r\n")
    lines.append("\r\n")
    return status_line(answer.status), common + "".join(lines).encode("latin-1")

"""Serving the files below a directory: index files, conditions, ranges."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import Final
from urllib.parse import quote

from netd.listeners.http.answer import (
    Answer,
    Fields,
    FilePart,
    Part,
    Proof,
    error_answer,
    signature_of,
)
from netd.listeners.http.beneath import open_beneath
from netd.listeners.http.media import content_type
from netd.listeners.http.options import RouteOptions
from netd.protocols.http.condition import Validators, Verdict, judge, range_applies
from netd.protocols.http.date import format_date
from netd.protocols.http.event import Request
from netd.protocols.http.range import UnsatisfiableError, parse_range

MAX_KEPT_BYTES: Final = 65536
"""Files up to this size are read and may be kept; larger ones go by sendfile."""

_SETTLED_NS: Final = 100_000_000  # a file written later than this ago may be written again unseen
_MEANINGFUL_S: Final = 2  # images of containers date their files 0 or 1
_ABSENT: Final = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EXDEV, errno.ELOOP),
        *(errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO),
    }
)
_SHORT_OF: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class Directory:
    """A route's directory; holds nothing open between requests."""

    methods = frozenset({"GET", "HEAD"})
    takes_body = False

    def __init__(self, options: RouteOptions) -> None:
        assert options.directory is not None
        self._root = os.path.abspath(options.directory)
        self._prefix = options.path.rstrip("/")
        self._index = options.index

    def answer(self, request: Request, path: str, _body: bytes) -> Answer:
        """The file that `path` names below the root, or why not."""
        below = path[len(self._prefix) :].strip("/")
        if any(part.startswith(".") and part != ".well-known" for part in below.split("/")):
            return error_answer(404)
        try:
            return self._answer(request, path, below)
        except OSError as error:
            return _refuse(error)

    def _answer(self, request: Request, path: str, below: str) -> Answer:
        fd = open_beneath(self._root, below)
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and not path.endswith("/"):
            return self._send(request, fd, found, below)
        os.close(fd)
        if not stat.S_ISDIR(found.st_mode):
            return error_answer(404)
        if not path.endswith("/"):
            return _redirect_into(path, request.query)
        return self._answer_index(request, below)

    def _answer_index(self, request: Request, below: str) -> Answer:
        for name in self._index:
            inside = f"{below}/{name}" if below else name
            try:
                fd = open_beneath(self._root, inside)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                continue
            found = os.fstat(fd)
            if stat.S_ISREG(found.st_mode):
                return self._send(request, fd, found, inside)
            os.close(fd)
        return error_answer(404)

    def _send(self, request: Request, fd: int, found: os.stat_result, below: str) -> Answer:
        etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"'
        modified = int(found.st_mtime) if found.st_mtime >= _MEANINGFUL_S else None
        fields: Fields = (("ETag", etag),)
        if modified is not None:
            fields += (("Last-Modified", format_date(modified)),)
        validators = Validators(etag.encode(), modified)
        proofs = _proofs(f"{self._root}/{below}", found)
        verdict = judge(request.fields, validators, is_read=True)
        if verdict is not Verdict.SEND:
            os.close(fd)
            if verdict is Verdict.UNCHANGED:
                return Answer(304, fields, proofs=proofs)
            return error_answer(412)
        fields = (("Content-Type", content_type(below)), *fields, ("Accept-Ranges", "bytes"))
        wanted = request.fields.get(b"range")
        if wanted is not None and range_applies(request.fields, validators):
            return _send_ranges(fd, found.st_size, wanted, fields)
        return _send_whole(fd, found.st_size, fields, proofs)


def _send_whole(fd: int, size: int, fields: Fields, proofs: tuple[Proof, ...] | None) -> Answer:
    if size > MAX_KEPT_BYTES:
        return Answer(200, fields, (FilePart(fd, 0, size),))
    content = os.pread(fd, size, 0)
    os.close(fd)
    return Answer(200, fields, (content,), proofs if len(content) == size else None)


def _send_ranges(fd: int, size: int, wanted: bytes, fields: Fields) -> Answer:
    try:
        ranges = parse_range(wanted, size)
    except UnsatisfiableError:
        os.close(fd)
        return error_answer(416, ("Content-Range", f"bytes */{size}"))
    if not ranges:
        return _send_whole(fd, size, fields, None)
    if len(ranges) == 1:
        offset, count = ranges[0]
        span = ("Content-Range", f"bytes {offset}-{offset + count - 1}/{size}")
        return Answer(206, (*fields, span), (FilePart(fd, offset, count),))
    return _send_multipart(fd, size, ranges, fields)


def _send_multipart(
    fd: int, size: int, ranges: tuple[tuple[int, int], ...], fields: Fields
) -> Answer:
    """RFC 9110 section 14.6: each range with a head of its own."""
    boundary = os.urandom(12).hex()
    (_, media_type), *rest = fields
    content: list[Part] = []
    for number, (offset, count) in enumerate(ranges, 1):
        head = (
            f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"
            f"Content-Range: bytes {offset}-{offset + count - 1}/{size}\r\n\r\n"
        )
        content += [head.encode(), FilePart(fd, offset, count, is_last=number == len(ranges))]
    content.append(f"\r\n--{boundary}--\r\n".encode())
    multipart = ("Content-Type", f"multipart/byteranges; boundary={boundary}")
    return Answer(206, (multipart, *rest), tuple(content))


def _proofs(path: str, found: os.stat_result) -> tuple[Proof, ...] | None:
    changed_ns = max(found.st_mtime_ns, found.st_ctime_ns)
    if time.time_ns() - changed_ns < _SETTLED_NS:
        return None
    return (Proof(path, signature_of(found)),)


def _redirect_into(path: str, query: bytes) -> Answer:
    where = quote(os.fsencode(path)) + "/" + (f"?{query.decode()}" if query else "")
    return error_answer(301, ("Location", where))


def _refuse(error: OSError) -> Answer:
    if error.errno in _ABSENT:
        return error_answer(404)
    if error.errno in (errno.EACCES, errno.EPERM):
        return error_answer(403)
    if error.errno in _SHORT_OF:
        return error_answer(503, ("Retry-After", "1"))
    raise error

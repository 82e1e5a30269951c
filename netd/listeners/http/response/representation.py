"""One open file as an answer: its coding, its validators, conditions and ranges."""

from __future__ import annotations

import gzip
import os
import stat
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from netd.listeners.http.options import RouteOptions
from netd.listeners.http.protocol.condition import Validators, Verdict, judge, range_applies
from netd.listeners.http.protocol.date import format_date
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.negotiation import choose_coding
from netd.listeners.http.protocol.range import UnsatisfiableError, parse_range
from netd.listeners.http.response.response import (
    Fields,
    FilePart,
    FileStamp,
    Part,
    Response,
    error_answer,
)
from netd.listeners.http.routes.mime import content_type, is_text
from netd.listeners.http.routes.openat import open_beneath
from netd.runtime.watched_files import signature_of

MAX_KEPT_BYTES: Final = 65536
"""Files up to this size are read and may be kept; larger ones go by sendfile."""

_MIN_GZIP_BYTES: Final = 256
_SUFFIXES: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
_SETTLED_NS: Final = 100_000_000  # a file written later than this ago may be written again unseen
_MEANINGFUL_S: Final = 2  # since the epoch; images of containers date their files 0 or 1


@dataclass(frozen=True, slots=True)
class File:
    """A file that was found, open; `coding` is how its bytes are, or are yet to be, encoded."""

    fd: int
    found: os.stat_result
    below: str  # the path asked for, without the suffix of a coding
    coding: str
    proofs: tuple[FileStamp, ...]
    varies: bool

    @property
    def itself(self) -> FileStamp | None:
        """What leads to the very bytes of `fd`, where no other file had a say in the choice."""
        return self.proofs[0] if len(self.proofs) == 1 else None


def send_file(options: RouteOptions, root: str, below: str, fd: int, request: Request) -> Response:
    """Answer with an open regular file; takes over the descriptor."""
    file = _choose(options, root, below, fd, request)
    encodes = file.coding == "gzip" and not options.precompressed
    etag = _etag(file.found, "-gzip" if encodes else "")
    modified = _modified(file.found)
    fields: Fields = (("ETag", etag), *cache_control(options, below))
    if modified is not None:
        fields += (("Last-Modified", format_date(modified)),)
    if file.varies:
        fields += (("Vary", "Accept-Encoding"),)
    verdict = judge(request.fields, Validators(etag.encode(), modified), is_read=True)
    if verdict is not Verdict.SEND:
        os.close(file.fd)
        is_unchanged = verdict is Verdict.UNCHANGED
        return Response(304, fields, proofs=_kept(file)) if is_unchanged else error_answer(412)
    fields = (("Content-Type", content_type(below)), *fields)
    if file.coding:
        fields += (("Content-Encoding", file.coding),)
    if encodes:
        return _send_compressed(file, fields)
    fields += (("Accept-Ranges", "bytes"),)
    wanted = _range_of(request)
    if wanted is not None and range_applies(request.fields, Validators(etag.encode(), modified)):
        return _send_ranges(file, wanted, fields)
    return _send_whole(file, fields)


def cache_control(options: RouteOptions, below: str) -> Fields:
    """The field of the first rule that fits a file, if any does."""
    for pattern, value in options.cache_rules.items():
        name = f"/{below}" if "/" in pattern else below.rpartition("/")[2]
        if fnmatchcase(name, pattern):
            return (("Cache-Control", value),)
    return ()


def _choose(options: RouteOptions, root: str, below: str, fd: int, request: Request) -> File:
    """The file itself, or its encoded neighbour."""
    found = os.fstat(fd)
    proof = FileStamp(f"{root}/{below}", signature_of(found))
    accepted = request.fields.get(b"accept-encoding")
    if options.precompressed:
        return _choose_neighbour(root, below, fd, accepted, proof)
    fit = _MIN_GZIP_BYTES <= found.st_size <= MAX_KEPT_BYTES and is_text(content_type(below))
    varies = options.gzip and fit
    wants = varies and _range_of(request) is None
    coding = choose_coding(accepted, ("gzip",)) if wants else ""
    return File(fd, found, below, coding, (proof,), varies)


def _choose_neighbour(
    root: str, below: str, fd: int, accepted: bytes | None, proof: FileStamp
) -> File:
    proofs = [proof]
    available = {}
    for coding, suffix in _SUFFIXES.items():
        neighbour = _open_neighbour(root, below + suffix)
        if neighbour is not None:
            available[coding] = neighbour
        signature = None if neighbour is None else signature_of(os.fstat(neighbour))
        proofs.append(FileStamp(f"{root}/{below}{suffix}", signature))
    coding = choose_coding(accepted, tuple(available))
    available[""] = fd
    for other, each in available.items():
        if other != coding:
            os.close(each)
    fd = available[coding]
    return File(fd, os.fstat(fd), below, coding, tuple(proofs), len(available) > 1)


def _open_neighbour(root: str, below: str) -> int | None:
    try:
        fd = open_beneath(root, below)
    except OSError:
        return None  # whatever keeps it from being read, the file itself is there
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _range_of(request: Request) -> bytes | None:
    return request.fields.get(b"range") if request.method == "GET" else None  # RFC 9110 14.2


def _modified(found: os.stat_result) -> int | None:
    """The time to tell, where it means something: no later than now (RFC 9110 section 8.8.2.1)."""
    return int(found.st_mtime) if _MEANINGFUL_S <= found.st_mtime <= time.time() else None


def _etag(found: os.stat_result, mark: str) -> str:
    return f'"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}{mark}"'


def _kept(file: File) -> tuple[FileStamp, ...] | None:
    changed_ns = max(file.found.st_mtime_ns, file.found.st_ctime_ns)
    return None if time.time_ns() - changed_ns < _SETTLED_NS else file.proofs


def _read(file: File, offset: int, count: int) -> bytes:
    try:
        return os.pread(file.fd, count, offset)
    finally:
        os.close(file.fd)


def _send_compressed(file: File, fields: Fields) -> Response:
    content = gzip.compress(_read(file, 0, file.found.st_size), 6, mtime=0)
    return Response(200, fields, (content,), _kept(file))


def _send_whole(file: File, fields: Fields) -> Response:
    size = file.found.st_size
    if size > MAX_KEPT_BYTES:
        return Response(200, fields, (FilePart(file.fd, 0, size),))
    content = _read(file, 0, size)
    kept = _kept(file) if len(content) == size else None
    return Response(200, fields, (content,), kept, source=file.itself)


def _send_ranges(file: File, wanted: bytes, fields: Fields) -> Response:
    size = file.found.st_size
    try:
        ranges = parse_range(wanted, size)
    except UnsatisfiableError:
        os.close(file.fd)
        return error_answer(416, ("Content-Range", f"bytes */{size}"))
    if not ranges:
        return _send_whole(file, fields)
    if len(ranges) == 1:
        offset, count = ranges[0]
        fields += (("Content-Range", f"bytes {offset}-{offset + count - 1}/{size}"),)
        if count > MAX_KEPT_BYTES:
            return Response(206, fields, (FilePart(file.fd, offset, count),))
        content = _read(file, offset, count)
        return Response(206, fields, (content,), _kept(file) if len(content) == count else None)
    return _send_multipart(file.fd, size, ranges, fields)


def _send_multipart(
    fd: int, size: int, ranges: tuple[tuple[int, int], ...], fields: Fields
) -> Response:
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
    return Response(206, (multipart, *rest), tuple(content))

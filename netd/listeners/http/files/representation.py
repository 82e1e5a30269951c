"""A response made from one open file: its coding, validators, conditions and ranges."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from netd.listeners.http.files.compressions import (
    Compressions,
    available_codings,
    make_compressor,
)
from netd.listeners.http.files.mime import content_type, is_text
from netd.listeners.http.files.openat import open_beneath, stat_or_close
from netd.listeners.http.protocol.condition import Outcome, Validators, evaluate, range_applies
from netd.listeners.http.protocol.date import format_date
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.negotiation import choose_coding
from netd.listeners.http.protocol.range import UnsatisfiableError, parse_range
from netd.listeners.http.protocol.response import (
    DeferredResponse,
    Fields,
    FilePart,
    FileStamp,
    Part,
    Response,
    error_response,
)
from netd.listeners.http.route_options import RouteOptions
from netd.runtime.watched_files import signature_of

_MAX_CACHED_BYTES: Final = 65536  # larger files are sent with sendfile(2)
_MIN_GZIP_BYTES: Final = 256
_SUFFIXES: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
# A file written more recently may be written again without a change of its signature.
SETTLED_NS: Final = 100_000_000
_MIN_MODIFIED_S: Final = 2  # since the epoch; container images set the time of files to 0 or 1

_Opened = tuple[int, os.stat_result]


@dataclass(frozen=True, slots=True)
class File:
    """An open file; `coding` is the content coding that it has or is to be sent with."""

    fd: int
    info: os.stat_result
    name: str  # relative to the root, as requested: without the suffix of a coding
    coding: str
    stamps: tuple[FileStamp, ...]
    varies: bool = False  # with Accept-Encoding
    is_compressed_here: bool = False

    @property
    def source(self) -> FileStamp | None:
        """The stamp of this file, if the response depends on no other file."""
        return self.stamps[0] if len(self.stamps) == 1 else None


@dataclass(frozen=True, slots=True)
class Served:
    """A directory that is served, and what its files are compressed with."""

    options: RouteOptions
    root: str
    compressions: Compressions


def respond_with_file(
    served: Served, name: str, fd: int, request: Request
) -> Response | DeferredResponse:
    """Respond with the open regular file `name` below the root; takes over the descriptor."""
    options = served.options
    file = _choose(served, name, fd, request)
    etag = _etag(options, file.info, f"-{file.coding}" if file.is_compressed_here else "")
    validators = Validators(etag.encode(), _modified(file.info))
    fields: Fields = (("ETag", etag), *cache_control(options, name))
    if validators.modified is not None:
        fields += (("Last-Modified", format_date(validators.modified)),)
    if file.varies:
        fields += (("Vary", "Accept-Encoding"),)
    outcome = evaluate(request.fields, validators, is_read=True)
    if outcome is not Outcome.SEND:
        os.close(file.fd)
        is_unchanged = outcome is Outcome.UNCHANGED
        return Response(304, fields, stamps=_stamps(file)) if is_unchanged else error_response(412)
    fields = (("Content-Type", content_type(name, options.media_types)), *fields)
    if file.coding:
        fields += (("Content-Encoding", file.coding),)
    if file.is_compressed_here:
        return _send_compressed(served.compressions, file, fields)
    fields += (("Accept-Ranges", "bytes"),)
    range_field = _range_of(request)
    if range_field is not None and range_applies(request.fields, validators):
        return _send_ranges(file, range_field, fields)
    return _send_whole(file, fields)


def cache_control(options: RouteOptions, name: str) -> Fields:
    """Return the Cache-Control field of the first rule that matches, if one does."""
    for pattern, value in options.cache_rules.items():
        subject = f"/{name}" if "/" in pattern else name.rpartition("/")[2]
        if fnmatchcase(subject, pattern):
            return (("Cache-Control", value),)
    return ()


def _choose(served: Served, name: str, fd: int, request: Request) -> File:
    """Choose the file itself or a precompressed one, and the coding to send it with."""
    options, root = served.options, served.root
    info = stat_or_close(fd)
    stamp = FileStamp(f"{root}/{name}", signature_of(info))
    accepted = request.fields.get(b"accept-encoding")
    file = File(fd, info, name, "", (stamp,))
    if options.precompressed:
        file = _choose_precompressed(root, file, accepted)
    if file.varies or not options.gzip or not _is_suited(options, name, info):
        return file
    coding = choose_coding(accepted, available_codings()) if _range_of(request) is None else ""
    is_large = info.st_size > _MAX_CACHED_BYTES
    if coding and is_large and not served.compressions.has_room_for(stamp, coding):
        coding = ""
    return File(fd, info, name, coding, file.stamps, varies=True, is_compressed_here=bool(coding))


def _is_suited(options: RouteOptions, name: str, info: os.stat_result) -> bool:
    """Whether compression makes sense: the file is a text, and neither tiny nor huge."""
    is_sized = _MIN_GZIP_BYTES <= info.st_size <= options.gzip_limit
    return is_sized and is_text(content_type(name, options.media_types))


def _choose_precompressed(root: str, file: File, accepted: bytes | None) -> File:
    name, stamps = file.name, [*file.stamps]
    available = {"": (file.fd, file.info)}
    for coding, suffix in _SUFFIXES.items():
        encoded = _open_regular(root, name + suffix)
        if encoded is not None:
            available[coding] = encoded
        signature = None if encoded is None else signature_of(encoded[1])
        stamps.append(FileStamp(f"{root}/{name}{suffix}", signature))
    chosen = choose_coding(accepted, tuple(coding for coding in available if coding))
    for coding, (other, _) in available.items():
        if coding != chosen:
            os.close(other)
    fd, info = available[chosen]
    return File(fd, info, name, chosen, tuple(stamps), len(available) > 1)


def _open_regular(root: str, name: str) -> _Opened | None:
    try:
        fd = open_beneath(root, name)
        info = stat_or_close(fd)
    except OSError:
        return None  # for any reason: the file without a coding can be sent
    if stat.S_ISREG(info.st_mode):
        return fd, info
    os.close(fd)
    return None


def _range_of(request: Request) -> bytes | None:
    return request.fields.get(b"range") if request.method == "GET" else None  # RFC 9110 14.2


def _modified(info: os.stat_result) -> int | None:
    """Return the time for Last-Modified; None if it is unset or in the future (RFC 9110 8.8.2)."""
    return int(info.st_mtime) if _MIN_MODIFIED_S <= info.st_mtime <= time.time() else None


def _etag(options: RouteOptions, info: os.stat_result, suffix: str) -> str:
    inode = f"-{info.st_ino:x}" if options.etag == "inode" else ""
    return f'"{info.st_mtime_ns:x}-{info.st_size:x}{inode}{suffix}"'


def _stamps(file: File) -> tuple[FileStamp, ...] | None:
    """Return the stamps to cache the response with; None if the file was written just now."""
    changed_ns = max(file.info.st_mtime_ns, file.info.st_ctime_ns)
    return None if time.time_ns() - changed_ns < SETTLED_NS else file.stamps


def _read(file: File, offset: int, count: int) -> bytes:
    try:
        return os.pread(file.fd, count, offset)
    finally:
        os.close(file.fd)


def _send_compressed(
    compressions: Compressions, file: File, fields: Fields
) -> Response | DeferredResponse:
    if file.info.st_size > _MAX_CACHED_BYTES:
        return _send_compressed_later(compressions, file, fields)
    compressor = make_compressor(file.coding)
    content = compressor.compress(_read(file, 0, file.info.st_size)) + compressor.flush()
    return Response(200, fields, (content,), _stamps(file))


def _send_compressed_later(
    compressions: Compressions, file: File, fields: Fields
) -> Response | DeferredResponse:
    """Compress a large file in slices; the response is too large for the response cache."""
    try:
        compressed = compressions.respond(
            *(file.fd, file.stamps[0], file.coding), may_keep=_stamps(file) is not None
        )
    finally:
        os.close(file.fd)
    return compressed.then(lambda response: response.with_fields(fields))


def _send_whole(file: File, fields: Fields) -> Response:
    size = file.info.st_size
    if size > _MAX_CACHED_BYTES:
        return Response(200, fields, (FilePart(file.fd, 0, size),))
    content = _read(file, 0, size)
    stamps = _stamps(file) if len(content) == size else None
    return Response(200, fields, (content,), stamps, source=file.source)


def _send_ranges(file: File, range_field: bytes, fields: Fields) -> Response:
    size = file.info.st_size
    try:
        ranges = parse_range(range_field, size)
    except UnsatisfiableError:
        os.close(file.fd)
        return error_response(416, ("Content-Range", f"bytes */{size}"))
    if not ranges:
        return _send_whole(file, fields)
    if len(ranges) == 1:
        offset, count = ranges[0]
        fields += (("Content-Range", f"bytes {offset}-{offset + count - 1}/{size}"),)
        if count > _MAX_CACHED_BYTES:
            return Response(206, fields, (FilePart(file.fd, offset, count),))
        content = _read(file, offset, count)
        return Response(206, fields, (content,), _stamps(file) if len(content) == count else None)
    return _send_multipart(file.fd, size, ranges, fields)


def _send_multipart(
    fd: int, size: int, ranges: tuple[tuple[int, int], ...], fields: Fields
) -> Response:
    """Send several ranges as multipart/byteranges (RFC 9110 section 14.6)."""
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

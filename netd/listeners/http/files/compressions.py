"""Compresses texts as they are requested: gzip (RFC 1952), and zstd (RFC 8878) if Python has it."""

from __future__ import annotations

import functools
import os
import zlib
from collections import OrderedDict
from importlib import import_module
from typing import Final, Protocol

from netd.listeners.http.files.sliced_responses import SlicedResponses, Slices
from netd.listeners.http.protocol.response import DeferredResponse, FileStamp, Response
from netd.runtime.loop import Loop

_LEVEL: Final = 6
_GZIP_FORMAT: Final = 31  # of zlib: the largest window, with a header of gzip
_SLICE: Final = 65536  # bytes; they take about 2 ms
_MAX_UNDER_WAY: Final = 8
_KEPT_BYTES: Final = 8 * 1024 * 1024

_Key = tuple[FileStamp, str]


class Compressor(Protocol):
    """Compresses a stream of bytes."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


@functools.cache
def available_codings() -> tuple[str, ...]:
    """The content codings that `make_compressor` has; the preferred one is first."""
    try:
        import_module("compression.zstd")  # since Python 3.14
    except ImportError:
        return ("gzip",)
    return ("zstd", "gzip")


def make_compressor(coding: str) -> Compressor:
    """Make a compressor for one of `available_codings`."""
    if coding == "zstd":
        zstd: Compressor = import_module("compression.zstd").ZstdCompressor()
        return zstd
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)


class Compressions:
    """Compresses large texts in slices, and keeps the results that were used last."""

    def __init__(self, loop: Loop, capacity: int = _KEPT_BYTES) -> None:
        self._sliced = SlicedResponses(loop, _MAX_UNDER_WAY)
        self._kept: OrderedDict[_Key, Response] = OrderedDict()
        self._left = capacity

    def has_room_for(self, stamp: FileStamp, coding: str) -> bool:
        """Whether the file can be compressed now; if not, too many others are being compressed."""
        key = stamp, coding
        return key in self._kept or self._sliced.has_room_for(key)

    def respond(
        self, fd: int, stamp: FileStamp, coding: str, *, may_keep: bool
    ) -> Response | DeferredResponse:
        """Respond with the compressed content of an open file, and no fields. Raises OSError."""
        key = stamp, coding
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        return self._sliced.respond(key, lambda: self._compress(os.dup(fd), key, may_keep=may_keep))

    def _compress(self, fd: int, key: _Key, *, may_keep: bool) -> Slices:
        """Compress the file in slices; closes the descriptor."""
        compressor = make_compressor(key[1])
        parts, offset = [], 0
        try:
            while part := os.pread(fd, _SLICE, offset):
                parts.append(compressor.compress(part))
                offset += len(part)
                yield
        finally:
            os.close(fd)
        parts.append(compressor.flush())
        response = Response(200, (), (b"".join(parts),))
        if may_keep:
            self._keep(key, response)
        return response

    def _keep(self, key: _Key, response: Response) -> None:
        self._kept[key] = response
        self._left -= response.length
        while self._left < 0:
            _, oldest = self._kept.popitem(last=False)
            self._left += oldest.length

"""Reads lines of standard input without blocking: from a pipe, a file or a terminal."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import AsyncIterator
from typing import Final

MAX_LINE_CHARS: Final = 65536  # a longer line is yielded in pieces
_CHUNK_BYTES: Final = 65536


async def read_lines(fd: int) -> AsyncIterator[str]:
    """Yield every line without its ending. Needs a select(2) event loop: epoll refuses files.

    The descriptor stays in blocking mode, since other processes may share its file description;
    it is read only when it is readable.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    while data := await _read(fd):
        *lines, rest = (rest + decoder.decode(data)).split("\n")
        for line in lines:
            yield line.removesuffix("\r")
        if len(rest) > MAX_LINE_CHARS:
            yield rest
            rest = ""
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest


async def _read(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)
    return os.read(fd, _CHUNK_BYTES)

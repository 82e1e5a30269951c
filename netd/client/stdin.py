"""Lines from standard input without blocking, whatever it is: a pipe, a file, a terminal."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import AsyncIterator
from typing import Final

MAX_LINE_CHARS: Final = 65536  # of which a message holds some 400: longer ones come in pieces
_CHUNK_BYTES: Final = 65536


async def read_lines(fd: int) -> AsyncIterator[str]:
    """Each line until the end. The loop's selector must be select, which takes files too.

    The descriptor stays in blocking mode, which it may share with other processes, and is
    read only when something is there.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    while data := await _read(fd):
        *ended, rest = (rest + decoder.decode(data)).split("\n")
        for line in ended:
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

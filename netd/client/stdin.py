"""Lines from standard input without blocking, whatever it is: a pipe, a file, a terminal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Final

from netd.protocols.lines import Line, LineFramer, Overlong

MAX_LINE_BYTES: Final = 65536  # of which a message holds some 400: longer ones are cut here
_CHUNK_BYTES: Final = 65536


async def read_lines(fd: int) -> AsyncIterator[str]:
    """Each line until the end. The loop's selector must be select, which takes files too.

    The descriptor stays in blocking mode, which it may share with other processes, and is
    read only when something is there.
    """
    framer = LineFramer(MAX_LINE_BYTES)
    while data := await _read(fd):
        for line in framer.receive(data):
            yield _text(line)
    for line in framer.end():
        yield _text(line)


async def _read(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)
    return os.read(fd, _CHUNK_BYTES)


def _text(line: Line) -> str:
    raw = line.start if isinstance(line, Overlong) else line
    return raw.decode("utf-8", "replace")

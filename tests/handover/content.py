"""Contents that clients and servers know without sending them to each other."""

from __future__ import annotations

import functools
import random


@functools.cache
def content(size: int) -> bytes:
    """Bytes without a pattern, the same in each process."""
    return random.Random(size).randbytes(size)


def body(text: str) -> bytes:
    """The content that a specification names: `content:SIZE`, or the text itself."""
    kind, _, size = text.partition(":")
    return content(int(size)) if kind == "content" else text.encode()

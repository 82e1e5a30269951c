"""Connects to a Unix stream socket, also to one whose process is busy."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Final

_TIMEVAL: Final = struct.Struct("@ll")  # seconds and microseconds


def connect_unix(path: str, timeout_s: float) -> socket.socket:
    """Connect to a Unix stream socket; later calls on the socket have the same time-out.

    While the queue of the listening socket is full, connect(2) fails at once on a socket with
    Python's time-out, which is non-blocking; with SO_SNDTIMEO it waits. Raises OSError.
    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        seconds, fraction = divmod(timeout_s, 1)
        limit = _TIMEVAL.pack(int(seconds), max(1, int(fraction * 1e6)))  # 0: no limit
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        sock.connect(path)
    except BlockingIOError as error:
        sock.close()
        raise TimeoutError(errno.ETIMEDOUT, "timed out") from error
    except OSError:
        sock.close()
        raise
    sock.settimeout(timeout_s)
    return sock

"""Who is at the other end of a Unix socket, as the system itself vouches: unix(7)."""

from __future__ import annotations

import pwd
import socket
import struct
from typing import Final

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid


def user_of(sock: socket.socket) -> str:
    """The system's name for the peer's user; empty where it has none, and for a TCP peer."""
    if sock.family != socket.AF_UNIX:
        return ""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    uid = _UCRED.unpack(raw)[1]
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""

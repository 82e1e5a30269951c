"""What the server knows of the other end of a connection."""

from __future__ import annotations

import pwd
import socket
import struct
from typing import Final

from netd.listeners.chat.hooks.hook_stream import HookStream

_UCRED: Final = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


def shown_host(host: str) -> str:
    """A client's address as IRC shows it: an argument cannot begin with a colon."""
    return f"0{host}" if host.startswith(":") else host or "localhost"


def local_user(sock: socket.socket | HookStream) -> str:
    """The system user at the other end of a Unix socket; empty without a name, and for TCP."""
    if isinstance(sock, HookStream) or sock.family != socket.AF_UNIX:
        return ""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    uid = _UCRED.unpack(raw)[1]
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""

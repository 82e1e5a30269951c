"""Facts about the other end of a connection."""

from __future__ import annotations

import pwd
import socket

from netd.listeners.chat.hooks.hook_stream import HookStream
from netd.runtime.sockets import peer_uid


def shown_host(host: str) -> str:
    """A client's address as IRC shows it: an argument cannot begin with a colon."""
    return f"0{host}" if host.startswith(":") else host or "localhost"


def local_user(sock: socket.socket | HookStream) -> str:
    """The system user at the other end of a Unix socket; empty without a name, and for TCP."""
    if isinstance(sock, HookStream) or sock.family != socket.AF_UNIX:
        return ""
    try:
        return pwd.getpwuid(peer_uid(sock)).pw_name
    except KeyError:
        return ""

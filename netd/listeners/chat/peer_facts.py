"""Facts about the other end of a connection."""

from __future__ import annotations

import pwd
import socket
from dataclasses import dataclass

from netd.listeners.chat.hooks.hook_stream import HookStream
from netd.protocols.websocket import Opcode
from netd.runtime.sockets import peer_uid


@dataclass(frozen=True, slots=True)
class WebClient:
    """A client that speaks WebSocket."""

    opcode: Opcode
    """The type of the messages that it gets."""
    user: str = ""
    """The user of its HTTP route, whose password was right."""
    is_relayed: bool = False
    """Whether an HTTP worker relays between it and this worker."""


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

"""The client's side of the control socket: sends one request to the running daemon."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat
import time
from collections.abc import Iterator
from typing import Any, Final

from netd.errors import ControlError, RemoteProtocolError
from netd.protocols.control import (
    STATUS_FORM,
    ControlCommand,
    Reply,
    format_request,
    has_form,
    parse_reply,
)
from netd.runtime.errnos import describe
from netd.runtime.sockets import peer_uid
from netd.runtime.unix_connection import connect_unix

_MAX_REPLY_BYTES: Final = 16 * 2**20
_CHUNK_BYTES: Final = 65536
_STATUS_TIMEOUT_S: Final = 10.0


class NoDaemonError(ControlError):
    """No process listens at the path, or only one that is not believed to be a daemon."""


class NoReplyError(ControlError):
    """The daemon closed the connection without a reply: it has ended, or runs another program."""


def send_request(path: str, command: ControlCommand, timeout_s: float) -> Reply:
    """Send one request to the daemon that listens at `path`, and wait for its reply.

    Raises NoDaemonError if no daemon listens there, or if another user could have put the socket
    there; ControlError if the daemon does not reply within `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    try:
        with _connect(path, timeout_s) as sock:
            _refuse_other_user(sock, path)
            sock.sendall(format_request(command))
            line = _read_line(sock, deadline)
    except TimeoutError as error:
        raise ControlError(f"netd at {path} gave no reply within {timeout_s:g} s") from error
    except OSError as error:
        raise ControlError(f"netd at {path} gave no reply: {describe(error)}") from error
    if not line:
        raise NoReplyError(f"netd at {path} closed the connection without a reply")
    try:
        return parse_reply(line)
    except RemoteProtocolError as error:
        raise ControlError(f"netd at {path} replies in an unexpected form: {error}") from error


def request_status(path: str) -> dict[str, Any]:
    """Return the status of the daemon that listens at `path`.

    Raises ControlError as `send_request` does, and if the reply is not a status.
    """
    reply = send_request(path, ControlCommand.STATUS, _STATUS_TIMEOUT_S)
    if reply.error:
        raise ControlError(f"netd at {path} does not report its status: {reply.error}")
    if not has_form(reply.body, STATUS_FORM):
        text = "replies in an unexpected form; perhaps it has another version than this command"
        raise ControlError(f"netd at {path} {text}")
    return reply.body


def _connect(path: str, timeout_s: float) -> socket.socket:
    """Connect to the socket at `path`. Raises ControlError; TimeoutError if its queue is full."""
    try:
        return connect_unix(path, timeout_s)
    except TimeoutError:
        raise
    except PermissionError as error:
        raise ControlError(f"{path}: permission denied; {_advice(path)}") from error
    except OSError as error:
        raise NoDaemonError(f"no netd answers at {path}: {describe(error)}") from error


def _advice(path: str) -> str:
    """Advice for a user who may not connect to the socket."""
    try:
        status = os.stat(path)
        group = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):
        return "run the command with sudo"
    if not status.st_mode & stat.S_IWGRP:
        return "run the command with sudo"
    user = pwd.getpwuid(os.geteuid()).pw_name
    return f"run the command with sudo, or join the group: `sudo usermod -aG {group} {user}`"


def _refuse_other_user(sock: socket.socket, path: str) -> None:
    """Raise NoDaemonError if every user could make the socket, as in /tmp, and another one did so.

    The daemon of another user is accepted in a directory where only root, that user or this user
    can have made its socket, such as /run/netd.
    """
    uid = peer_uid(sock)
    if uid not in (os.geteuid(), 0) and _is_writable_by_all(path):
        raise NoDaemonError(f"no netd answers at {path}: its process belongs to {_user_name(uid)}")


def _is_writable_by_all(path: str) -> bool:
    """Whether every user can put a file at the path, or could replace a directory on the way."""
    directories = (*_parents(path), *_parents(os.path.realpath(path)))
    return any(os.stat(directory).st_mode & stat.S_IWOTH for directory in directories)


def _parents(path: str) -> Iterator[str]:
    """The directories on the way to a path, the last one first."""
    while (directory := os.path.dirname(path) or os.curdir) != path:
        yield directory
        path = directory


def _user_name(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _read_line(sock: socket.socket, deadline: float) -> bytes:
    """The first line, or the bytes before the end of file. Raises TimeoutError, and OSError."""
    data = bytearray()
    while not data.endswith(b"\n") and len(data) <= _MAX_REPLY_BYTES:
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = sock.recv(_CHUNK_BYTES)
        if not chunk:
            break
        data += chunk
    return bytes(data)

"""Listening sockets: open, take over from systemd, describe, close.

A socket is bound once, by one process, and its descriptor shared: closing one sharer's copy
loses nothing that waits in its queue.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from netd.errors import BindError

_CONNECT_TIMEOUT_S = 1.0


def open_inet(
    kind: socket.SocketKind,
    host: str,
    port: int,
    backlog: int,
    beside: Sequence[socket.socket] = (),
) -> list[socket.socket]:
    """Bind every address `host` resolves to, and listen where the kind is a stream.

    `::` takes IPv4 as well. With port 0 the first address chooses and the others follow. The
    sockets in `beside` are ours and on the same port: a wildcard can be opened before the
    address it takes the place of is closed. Raises BindError.
    """
    opened: list[socket.socket] = []
    try:
        for family, sockaddr in _resolve(kind, host, port):
            sock = socket.socket(family, kind)
            opened.append(sock)
            _set_inet_options(sock, kind, dual_stack=host == "::")
            if kind is socket.SOCK_STREAM and ip_address(sockaddr[0]).is_loopback:
                # No network lies between that could be congested; where the system's default
                # paces what is sent (BBR), large answers would take twice as long.
                with contextlib.suppress(OSError):  # a system may allow no other than its own
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
            chosen = port or opened[0].getsockname()[1]
            with _sharing_port([sock, *beside] if beside else []):
                sock.bind((sockaddr[0], chosen, *sockaddr[2:]))
                if kind is socket.SOCK_STREAM:
                    sock.listen(backlog)
            sock.setblocking(False)
    except OSError as error:
        for sock in opened:
            sock.close()
        raise BindError(_why(error)) from error
    return opened


def adopt(fd: int) -> socket.socket:
    """Take over a descriptor that another process passed: close-on-exec and non-blocking.

    A TCP socket gets TCP_NODELAY, as sockets that `open_inet` opens have it: a systemd unit may
    not say `NoDelay=yes`. `setblocking` is called whatever mode the descriptor has already,
    because the Python object keeps the mode too: else a dup of it would make both blocking.
    """
    os.set_inheritable(fd, False)
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    if sock.type == socket.SOCK_STREAM and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # accepted sockets inherit it
    return sock


def open_unix(kind: socket.SocketKind, path: str, mode: int, backlog: int) -> socket.socket:
    """Bind a Unix socket whose file has `mode` from its first moment.

    A file left behind by a daemon that is gone is replaced; one that somebody answers on, or
    that is no socket, is not. Raises BindError.
    """
    sock = socket.socket(socket.AF_UNIX, kind)
    try:
        remove_stale(kind, path)
        previous = os.umask(0o777 & ~mode)
        try:
            sock.bind(path)
        finally:
            os.umask(previous)
        if kind is socket.SOCK_STREAM:
            sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise BindError(_why(error)) from error
    sock.setblocking(False)
    return sock


def remove_stale(kind: socket.SocketKind, path: str) -> None:
    """Unlink a socket file nobody answers on; OSError EADDRINUSE where somebody does."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "a file that is no socket is in the way")
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.settimeout(_CONNECT_TIMEOUT_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except FileNotFoundError:
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def identity(path: str) -> tuple[int, int] | None:
    """Device and inode of a socket's file, to know it again; None where there is none."""
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        return found.st_dev, found.st_ino
    return None


def bound_name(sock: socket.socket) -> str:
    """Where a socket really stands, in the words of the configuration."""
    stream = sock.type == socket.SOCK_STREAM
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"{'unix' if stream else 'unixgram'}://{name}"
    host = name[0]
    if sock.family == socket.AF_INET6:  # link-local ones are nothing without their interface
        host = f"[{host}%{socket.if_indextoname(name[3])}]" if name[3] else f"[{host}]"
    return f"{'tcp' if stream else 'udp'}://{host}:{name[1]}"


@contextlib.contextmanager
def _sharing_port(socks: Sequence[socket.socket]) -> Iterator[None]:
    """Let these stand on one port for a moment; nobody else may join them afterwards."""
    try:
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, True)
        yield
    finally:
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, False)


def _resolve(kind: socket.SocketKind, host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise BindError(f"{host}: {error.strerror}") from error
    unique = {(family, sockaddr): None for family, _, _, _, sockaddr in found}
    return list(unique)  # type: ignore[arg-type]  # typeshed's sockaddr is wider than inet's


def _set_inet_options(sock: socket.socket, kind: socket.SocketKind, *, dual_stack: bool) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual_stack)
    if kind is socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # accepted sockets inherit it


def _why(error: OSError) -> str:
    if error.errno == errno.EACCES:
        return "permission denied"
    return (error.strerror or str(error)).lower()

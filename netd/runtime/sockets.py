"""Listening sockets: open, take over from systemd, describe.

The supervisor binds a socket once and shares its descriptor with the workers: when a worker closes
its copy, no waiting connection is lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from netd.errors import BindError
from netd.runtime.errnos import describe

_CONNECT_TIMEOUT_S = 1.0
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
_FIRST_PORT = 1024  # net.ipv4.ip_unprivileged_port_start, ip(7)
_PRIVILEGED_PORT = (
    ": a port below 1024 is for root and for the unit of systemd; take a higher one, "
    "or check the file as root"
)


def open_inet(
    kind: socket.SocketKind,
    host: str,
    port: int,
    backlog: int,
    beside: Sequence[socket.socket] = (),
) -> list[socket.socket]:
    """Bind each address that `host` resolves to, and listen if `kind` is SOCK_STREAM.

    `::` includes IPv4. With port 0, the kernel chooses a port for the first address, and the
    others use the same. `beside` are this process's sockets that the new ones replace, such as
    127.0.0.1 for a wildcard: for a moment both are bound. Raises BindError.
    """
    opened: list[socket.socket] = []
    try:
        for family, sockaddr in resolve(kind, host, port):
            sock = socket.socket(family, kind)
            opened.append(sock)
            _set_inet_options(sock, kind, dual_stack=host == "::")
            if kind is socket.SOCK_STREAM and ip_address(sockaddr[0]).is_loopback:
                # The loopback interface is never congested. If the system's default algorithm
                # paces packets (BBR), large responses would take twice as long.
                with contextlib.suppress(OSError):  # reno can be disallowed
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
        hint = _PRIVILEGED_PORT if error.errno == errno.EACCES and 0 < port < _FIRST_PORT else ""
        raise BindError(f"{describe(error)}{hint}", error.errno or 0) from error
    return opened


def peer_uid(sock: socket.socket) -> int:
    """The user of the process at the other end of a Unix socket (unix(7)). Raises OSError."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1])


def adopt(fd: int) -> socket.socket:
    """Take over a descriptor that another process passed: close-on-exec and non-blocking.

    A TCP socket gets TCP_NODELAY, as sockets that `open_inet` opens have it: `NoDelay=yes` can be
    missing in a systemd unit. `setblocking` is always called, because the Python object keeps the
    mode too; otherwise `dup` would make both sockets blocking.
    """
    os.set_inheritable(fd, False)
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    if sock.type == socket.SOCK_STREAM and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # accepted sockets inherit it
    return sock


def open_unix(kind: socket.SocketKind, path: str, mode: int, backlog: int) -> socket.socket:
    """Bind a Unix socket whose file has `mode` from the moment it exists.

    The socket file of a process that has ended is replaced. Raises BindError if another process
    listens on it, or the file is not a socket.
    """
    try:
        remove_stale_file(kind, path)
        sock = socket.socket(socket.AF_UNIX, kind)
    except OSError as error:
        raise BindError(describe(error), error.errno or 0) from error
    try:
        previous = os.umask(0o777 & ~mode)
        try:
            sock.bind(path)
        finally:
            os.umask(previous)
        if kind is socket.SOCK_STREAM:
            sock.listen(backlog)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise BindError(describe(error), error.errno or 0) from error
    return sock


def remove_stale_file(kind: socket.SocketKind, path: str) -> None:
    """Unlink a socket file if no process has bound it. Raises OSError (EADDRINUSE, EEXIST)."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "a file that is not a socket is in the way")
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.settimeout(_CONNECT_TIMEOUT_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except FileNotFoundError:
            return
        except BlockingIOError:
            pass  # the queue of a process that listens is full
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def file_identity(path: str) -> tuple[int, int] | None:
    """Return the device and inode of a socket's file; None if it cannot be found."""
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        return found.st_dev, found.st_ino
    return None


def bound_name(sock: socket.socket) -> str:
    """Return the address that a socket is bound to, in the configuration's syntax."""
    stream = sock.type == socket.SOCK_STREAM
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"{'unix' if stream else 'unixgram'}://{name}"
    host = name[0]
    if sock.family == socket.AF_INET6:  # a link-local address includes its interface
        host = f"[{host}%{_interface_name(name[3])}]" if name[3] else f"[{host}]"
    return f"{'tcp' if stream else 'udp'}://{host}:{name[1]}"


def _interface_name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:  # the interface has gone; the socket stays bound
        return str(index)


def resolve(kind: socket.SocketKind, host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    """Return the family and the address of each socket for a host name. Raises BindError."""
    try:
        found = socket.getaddrinfo(encoded(host), port, type=kind, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise BindError(f"{host}: {error.strerror}") from error
    unique = {(family, sockaddr): None for family, _, _, _, sockaddr in found}
    return list(unique)  # type: ignore[arg-type]  # typeshed's sockaddr is wider than inet's


def encoded(host: str) -> str | bytes:
    """A host name for getaddrinfo(3). Python would load the tables of IDNA for any text."""
    return host.encode() if host.isascii() else host


@contextlib.contextmanager
def _sharing_port(socks: Sequence[socket.socket]) -> Iterator[None]:
    """Allow these sockets to share a port, only while the context lasts."""
    try:
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, True)
        yield
    finally:
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, False)


def _set_inet_options(sock: socket.socket, kind: socket.SocketKind, *, dual_stack: bool) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual_stack)
    if kind is socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # accepted sockets inherit it

"""A bundle: the clients of one worker on their way to the process that takes over.

It consists of two descriptors, for any number of clients: a sealed memfd with the state as JSON,
and a Unix socket in whose receive queue the clients' descriptors wait (SCM_RIGHTS, unix(7)). The
other end of that socket is closed. A bundle can be sent to another process, kept in systemd's
descriptor store, and inherited over execve(2); it can be read once.

A bundle without the socket is a snapshot: the state of a worker without its clients.
"""

from __future__ import annotations

import json
import os
import random
import socket
import stat
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from netd.errors import StateError
from netd.listeners.kind import Handover
from netd.runtime import sealed_memory
from netd.runtime.descriptors import (
    MAX_DESCRIPTORS,
    borrowed_socket,
    close_all,
    duplicate_all,
    receive,
    send,
)

MAJOR: Final = 1
"""A state of another major version is refused."""
MINOR: Final = 1
"""A state of a later minor version can have keys that are unknown here; they are ignored."""

_MAX_STATE_BYTES: Final = 2**30
_MESSAGE_BYTES: Final = 32
_SO_COOKIE: Final = 57  # asm-generic/socket.h; not in the socket module
_COOKIE_BYTES: Final = 8
_PATIENCE_S: Final = 1.0  # while other processes of this user have many descriptors on their way


@dataclass(frozen=True, slots=True)
class Bundle:
    """The two descriptors; the owner closes them."""

    state: int
    queue: int | None
    worker: int = 0
    """The number of the worker that has packed it (`Daemon.worker_number`)."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Both descriptors, or that of the state alone."""
        return (self.state,) if self.queue is None else (self.state, self.queue)

    def close(self) -> None:
        """Close the descriptors."""
        close_all(self.descriptors)


@dataclass(frozen=True, slots=True)
class BundleState:
    """The content of the memfd: the kind's state, and what identifies each descriptor."""

    state: dict[str, Any]
    cookies: Sequence[int]  # SO_COOKIE of each descriptor that is a socket, else 0


def copy_all(bundles: Sequence[Bundle]) -> list[Bundle]:
    """Copy bundles. Raises OSError, without a copy, if there is no room for all."""
    copies = iter(duplicate_all(fd for bundle in bundles for fd in bundle.descriptors))
    return [
        Bundle(next(copies), None if bundle.queue is None else next(copies), bundle.worker)
        for bundle in bundles
    ]


def pack(kind: str, handover: Handover) -> Bundle:
    """Put copies of the descriptors and the state into a bundle.

    Raises OSError if the system has no room for it: ETOOMANYREFS if for a second more descriptors
    are on their way than this user may open.
    """
    cookies = [_cookie(fd) for fd in handover.descriptors]
    content = {
        "format": [MAJOR, MINOR],
        "kind": kind,
        "state": handover.state,
        "cookies": cookies,
    }
    queue = _fill_queue(handover.descriptors)
    try:
        data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return Bundle(sealed_memory.seal(data), queue.detach())
    except BaseException:
        queue.close()
        raise


def pack_snapshot(kind: str, state: Sequence[bytes]) -> Bundle:
    """Put a state, as pieces of JSON text, into a bundle without clients. Raises OSError."""
    head = json.dumps({"format": [MAJOR, MINOR], "kind": kind, "cookies": []}).encode()
    return Bundle(sealed_memory.seal(b"".join([head[:-1], b', "state": ', *state, b"}"])), None)


def of_descriptors(descriptors: Iterable[int]) -> Bundle:
    """The bundle with these descriptors, in any order; it owns them then.

    Raises StateError, and closes the descriptors, if they are not those of a bundle.
    """
    fds = list(descriptors)
    try:
        sockets = [_is_socket(fd) for fd in fds]
    except OSError:  # fstat(2) has failed: they are of no use
        sockets = []
    match sorted(zip(sockets, fds, strict=False)):
        case [(False, state)]:
            return Bundle(state, None)
        case [(False, state), (True, queue)]:
            return Bundle(state, queue)
    close_all(fds)
    raise StateError(f"a state and its clients have not arrived whole ({len(fds)} descriptors)")


def read_state(bundle: Bundle, kind: str) -> BundleState:
    """Read the state, and leave the clients where they are. Raises StateError."""
    try:
        content = json.loads(sealed_memory.read(bundle.state, _MAX_STATE_BYTES))
        major, minor = content["format"]
        if major != MAJOR:
            raise StateError(
                f"the state has format {major}.{minor}; this version of netd reads {MAJOR}.x"
            )
        if content["kind"] != kind:
            raise StateError(f"the state is that of kind {content['kind']!r}, not {kind!r}")
        return BundleState(dict(content["state"]), [int(cookie) for cookie in content["cookies"]])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateError(f"the state cannot be read: {error!r}") from error


def take_descriptors(bundle: Bundle, cookies: Sequence[int]) -> dict[int, int]:
    """Take the clients' descriptors out of the bundle: {position: descriptor}, the caller's now.

    A descriptor that is not the one that was packed is closed. A position is missing if its
    descriptor did not arrive, for want of room in this process.
    """
    if bundle.queue is None:
        return {}
    taken: dict[int, int] = {}
    with borrowed_socket(bundle.queue) as queue:
        queue.setblocking(False)
        while True:
            try:
                message, fds = receive(queue, _MESSAGE_BYTES)
            except BlockingIOError:
                return taken
            if not message:
                return taken
            for position, fd in enumerate(fds, int(message)):
                if position < len(cookies) and _cookie(fd) == cookies[position]:
                    taken[position] = fd
                else:
                    os.close(fd)


def _fill_queue(descriptors: Sequence[int]) -> socket.socket:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with near:
            near.setblocking(False)  # no process reads yet
            # Of several workers that wait for each other, the first one that gives up makes room.
            deadline = time.monotonic() + random.uniform(_PATIENCE_S / 2, _PATIENCE_S)  # noqa: S311
            for start in range(0, len(descriptors), MAX_DESCRIPTORS):
                batch = descriptors[start : start + MAX_DESCRIPTORS]
                send(near, b"%d" % start, batch, deadline - time.monotonic())
            _await_passage(deadline - time.monotonic())
    except OSError:
        far.close()
        raise
    return far


def _await_passage(within_s: float) -> None:
    """Wait until another descriptor may be sent: those of the bundle travel next. Raises OSError.

    Without this, a worker with too many clients would stop the handover of all others, too.
    """
    near, far = socket.socketpair()
    with near, far:
        send(near, b"\0", [near.fileno()], within_s)


def _cookie(fd: int) -> int:
    """The number of a socket, unique since the system's start; 0 for any other descriptor."""
    if not _is_socket(fd):
        return 0
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)  # with a family: no system call
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, _COOKIE_BYTES)
    finally:
        sock.detach()
    return int.from_bytes(raw, "little")


def _is_socket(fd: int) -> bool:
    return stat.S_ISSOCK(os.fstat(fd).st_mode)

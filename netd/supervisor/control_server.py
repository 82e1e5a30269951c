"""The daemon's side of the control socket: its clients may request the status or a reload.

The mode and the owner of the socket's file decide which users may connect; there is no other
authentication. Clients, their requests and the replies that wait for them are bounded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import stat
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from netd.config.model import DaemonOptions
from netd.errors import BindError, Problem, RemoteProtocolError
from netd.protocols.control import (
    MAX_REQUEST_BYTES,
    ControlCommand,
    Reply,
    format_reply,
    parse_request,
)
from netd.protocols.lines import Line, LineFramer, Overlong
from netd.runtime import sockets
from netd.runtime.acceptor import Acceptor
from netd.runtime.errnos import describe
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.runtime.stream import Stream

_MAX_CLIENTS: Final = 32
_MAX_UNSENT_BYTES: Final = 16 * 2**20  # of the replies to all clients
_MAX_WAITING: Final = 16  # requests of one client; `netd status` and `netd reload` send one
_BACKLOG: Final = 16
_NOT_PERMITTED: Final = (
    "permission denied; run it as root or as the user that netd runs as, "
    'or set control_allows = "all"'
)
_log = logging.getLogger("netd")

SendReply = Callable[[Reply], None]
OnCommand = Callable[[ControlCommand, SendReply], None]


class ControlServer:
    """Serves clients on one Unix socket; `on_command` gets each request and the way to reply."""

    def __init__(
        self, loop: Loop, path: str, options: DaemonOptions, on_command: OnCommand
    ) -> None:
        """Open the socket. Raises BindError."""
        self._loop = loop
        self._path = path
        self._on_command = on_command
        self._allows_all = options.control_allows == "all"
        self._clients: dict[_Client, bool] = {}
        """Whether each client is an administrator, in the order of their arrival."""
        self._acceptor: Acceptor[ControlServer] = Acceptor(loop, self._on_accept)
        mode = int(options.control_mode, 8)
        try:
            self.sock = sockets.open_unix(socket.SOCK_STREAM, path, mode, _BACKLOG)
            self._file = sockets.file_identity(path)
            self._listen(options.control_owner)
        except BindError as error:
            raise BindError(f"control socket {path}: {error}") from error

    @property
    def has_file(self) -> bool:
        """Whether there is a file at the path, so that a client can connect to some process."""
        return sockets.file_identity(self._path) is not None

    def close(self) -> None:
        """Stop listening and remove the socket's file; replies already written are still sent."""
        self._acceptor.replace(())
        self._acceptor.release()
        for client in tuple(self._clients):
            client.stream.finish("closed")
        self._remove_file()

    def _listen(self, owner: str) -> None:
        try:
            _change_owner(self._path, owner)
            self._acceptor.replace((self,))
        except BindError:
            self._discard()
            raise
        except OSError as error:
            self._discard()
            raise BindError(describe(error)) from error

    def _discard(self) -> None:
        self.sock.close()
        self._remove_file()

    def _remove_file(self) -> None:
        """Remove the socket's file, unless another process has put its own there."""
        if self._file is None or self._file != sockets.file_identity(self._path):
            return
        try:
            os.unlink(self._path)
        except OSError as error:
            _log.warning("control socket %s: cannot remove it: %s", self._path, describe(error))

    def _on_accept(self, sock: socket.socket, _host: str, _listening: ControlServer) -> None:
        try:
            is_administrator = self._is_administrator(sock)
            if not self._has_room(is_administrator=is_administrator):
                sock.close()
                return
            may_all = is_administrator or self._allows_all
            on_command = self._on_command if may_all else self._on_foreign_command
            client = _Client(
                self._loop, sock, on_command, self._close_slow_readers, self._clients.pop
            )
        except OSError as error:  # epoll(7) watches no more descriptors, or no memory is left
            _log.warning("a client of the control socket is refused: %s", describe(error))
            sock.close()
        else:
            self._clients[client] = is_administrator

    def _is_administrator(self, sock: socket.socket) -> bool:
        """Whether a client is root, the user that netd runs as, or the socket's owner.

        Raises OSError.
        """
        owner = self._file_owner() if self._file else 0
        return sockets.peer_uid(sock) in (0, os.geteuid(), owner)

    def _file_owner(self) -> int:
        try:
            return os.stat(self._path).st_uid
        except OSError:
            return 0

    def _on_foreign_command(self, command: ControlCommand, reply: SendReply) -> None:
        if command is ControlCommand.STATUS:
            self._on_command(command, reply)
        else:
            reply(Reply({}, _NOT_PERMITTED))

    def _has_room(self, *, is_administrator: bool) -> bool:
        """Whether there is room for another client; the oldest one that may be closed makes it.

        That is a client that waits for no reply. An administrator takes the place of any client
        of other users, also with `control_allows = "all"`: else a user who reads no replies could
        keep the administrator out.
        """
        if len(self._clients) < _MAX_CLIENTS:
            return True
        idle = [client for client in self._clients if client.is_idle]
        others = [client for client, is_one in self._clients.items() if not is_one]
        for client in (*idle, *(others if is_administrator else ()))[:1]:
            client.stream.close("replaced by a newer client")
        return len(self._clients) < _MAX_CLIENTS

    def _close_slow_readers(self) -> None:
        """Close clients that do not read their replies while these take too much memory.

        The first are clients that are no administrators, and among them the oldest one.
        """
        unsent = sum(client.stream.unsent_bytes for client in self._clients)
        for client in sorted(self._clients, key=self._clients.__getitem__):
            if unsent <= _MAX_UNSENT_BYTES:
                return
            unsent -= client.stream.unsent_bytes
            client.stream.close("does not read its replies")


class _Client:
    """One connection to the control socket."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        on_command: OnCommand,
        before_reply: Callable[[], object],
        on_closed: Callable[[_Client], object],
    ) -> None:
        self._loop = loop
        self._on_command = on_command
        self._before_reply = before_reply
        self._framer = LineFramer(MAX_REQUEST_BYTES)
        self._requests: deque[Line] = deque()
        self._pending_replies = 0
        self._has_ended = False
        self.stream = Stream(
            loop,
            sock,
            on_data=self._on_data,
            on_end=self._on_end,
            on_closed=lambda _why: self._on_closed(on_closed),
            max_unsent_bytes=_MAX_UNSENT_BYTES,
        )

    @property
    def is_idle(self) -> bool:
        """True while no reply is due to this client or still being sent."""
        return not (self._pending_replies or self.stream.unsent_bytes)

    def _on_data(self, data: bytes) -> None:
        self._take(self._framer.receive(data))

    def _on_end(self) -> None:
        self._has_ended = True
        self._take(self._framer.end())
        self._finish_if_done()

    def _on_closed(self, on_closed: Callable[[_Client], object]) -> None:
        self._requests.clear()
        on_closed(self)

    def _take(self, requests: Sequence[Line]) -> None:
        """Take requests, to handle one after the other, and at most one in each turn.

        The supervisor has other work, too.
        """
        is_busy = self._pending_replies > 0
        self._requests += requests
        self._pending_replies += len(requests)
        if len(self._requests) > _MAX_WAITING:
            self._requests.clear()
            self.stream.write(format_reply(Reply({}, "too many requests at once")))
            self.stream.finish("too many requests")
        elif requests and not is_busy:
            self._handle_next()

    def _handle_next(self) -> None:
        if self.stream.unsent_bytes:  # the client has to read this reply first
            self.stream.when_drained(self._handle_next)
            return
        if not self._requests:  # the client has gone
            return
        request = self._requests.popleft()
        if isinstance(request, Overlong):
            self._reply(Reply({}, f"a request has at most {MAX_REQUEST_BYTES} bytes"))
        else:
            self._handle(request)

    def _handle(self, line: bytes) -> None:
        try:
            command = parse_request(line)
        except RemoteProtocolError as error:
            self._reply(Reply({}, str(error)))
        else:
            self._on_command(command, self._reply)

    def _reply(self, reply: Reply) -> None:
        self._before_reply()
        self.stream.write(format_reply(reply))
        self._pending_replies -= 1
        if self._requests:
            self._loop.call_next_turn(self._handle_next)
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        """Close once the client has ended its side and has all replies, also to its reloads."""
        if self._has_ended and not self._pending_replies:
            self.stream.finish("done")


def check_control(path: str, options: DaemonOptions) -> tuple[Problem, ...]:
    """Open the control socket as the daemon does, and remove it again."""
    directory = os.path.dirname(path)
    if options.control and not os.path.isdir(directory):
        return ()  # is reported with the other files
    is_new = not os.path.lexists(directory)
    loop = Loop(EpollPoller())
    try:
        if not options.control:
            make_directory(path)
        ControlServer(loop, path, options, lambda _command, _respond: None).close()
    except BindError as error:
        return (Problem("netd.control", str(error)),)
    finally:
        loop.close()
        if is_new:
            with contextlib.suppress(OSError):
                os.rmdir(directory)
    return ()


def make_directory(path: str) -> None:
    """Make the directory of a control socket whose path is the default. Raises BindError.

    It may lie in /tmp, so a symbolic link, or a directory that another user owns or can write to,
    is not used. The sticky bit of /tmp keeps other users from replacing a directory of ours.
    """
    directory = os.path.dirname(path)
    try:
        os.makedirs(os.path.dirname(directory), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, mode=0o755)
        status = os.lstat(directory)
    except OSError as error:
        raise BindError(f"control socket {path}: {describe(error)}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise BindError(f"control socket {path}: {directory} is not a directory")
    if status.st_uid not in (os.geteuid(), 0):
        raise BindError(f"control socket {path}: its directory belongs to another user")
    if status.st_mode & stat.S_IWOTH:
        raise BindError(f"control socket {path}: every user can write to its directory")


def _change_owner(path: str, owner: str) -> None:
    """Raises BindError."""
    user, _, group = owner.partition(":")
    if not owner:
        return
    try:
        shutil.chown(path, user or None, group or None)  # type: ignore[arg-type]
    except (OSError, LookupError) as error:
        raise BindError(f"cannot give it to {owner!r}: {error}") from error

"""The control socket: who connects may ask for the status or a reload.

Access is the socket file's mode and owner; there is no other secret. Clients, their requests
and the answers that wait for them are bounded.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Callable, Sequence
from typing import Final

from netd.config.model import DaemonOptions
from netd.errors import BindError, ControlError, RemoteProtocolError
from netd.protocols.control import (
    MAX_REQUEST_BYTES,
    Command,
    Reply,
    format_reply,
    format_request,
    parse_reply,
    parse_request,
)
from netd.protocols.lines import Line, LineFramer, Overlong
from netd.runtime import sockets
from netd.runtime.acceptor import Acceptor
from netd.runtime.loop import Loop
from netd.runtime.stream import Stream

_MAX_CLIENTS: Final = 32
_MAX_ANSWER_BYTES: Final = 16 * 2**20
_BACKLOG: Final = 16

Answer = Callable[[Reply], None]
OnCommand = Callable[[Command, Answer], None]


class ControlServer:
    """Answers clients on one Unix socket; `on_command` is handed each request."""

    def __init__(
        self, loop: Loop, path: str, options: DaemonOptions, on_command: OnCommand
    ) -> None:
        """Open the socket. Raises BindError."""
        self._loop = loop
        self._path = path
        self._on_command = on_command
        self._clients: dict[_Client, None] = {}  # the one that came first is first
        mode = int(options.control_mode, 8)
        try:
            self.sock = sockets.open_unix(socket.SOCK_STREAM, path, mode, _BACKLOG)
            _give_to(options.control_owner, path)
        except BindError as error:
            raise BindError(f"control socket {path}: {error}") from error
        self._file = sockets.identity(path)
        self._acceptor: Acceptor[ControlServer] = Acceptor(loop, self._on_accept)
        self._acceptor.replace((self,))

    def close(self) -> None:
        """Stop listening, remove the socket's file; clients get what is written to them yet."""
        self._acceptor.replace(())
        for client in tuple(self._clients):
            client.stream.finish("closed")
        if self._file == sockets.identity(self._path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    def _on_accept(self, sock: socket.socket, _host: str, _listening: ControlServer) -> None:
        if len(self._clients) >= _MAX_CLIENTS:
            self._make_room()
        if len(self._clients) >= _MAX_CLIENTS:
            sock.close()
        else:
            self._clients[_Client(self._loop, sock, self._on_command, self._clients.pop)] = None

    def _make_room(self) -> None:
        """Put out the first to have come of those that wait for nothing, if there is one."""
        for client in self._clients:
            if client.is_idle:
                client.stream.close("another came")
                return


class _Client:
    """One connection to the control socket."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        on_command: OnCommand,
        on_gone: Callable[[_Client], object],
    ) -> None:
        self._on_command = on_command
        self._on_gone = on_gone
        self._framer = LineFramer(MAX_REQUEST_BYTES)
        self._unanswered = 0
        self._has_ended = False
        self.stream = Stream(
            loop,
            sock,
            on_data=self._on_data,
            on_end=self._on_end,
            on_closed=lambda _why: self._on_gone(self),
            max_unsent_bytes=_MAX_ANSWER_BYTES,
        )

    @property
    def is_idle(self) -> bool:
        """Whether it waits for no answer, nor is one on its way to it."""
        return not (self._unanswered or self.stream.unsent_bytes)

    def _on_data(self, data: bytes) -> None:
        self._take(self._framer.receive(data))

    def _on_end(self) -> None:
        self._has_ended = True
        self._take(self._framer.end())
        self._finish_if_answered()

    def _take(self, lines: Sequence[Line]) -> None:
        self._unanswered += len(lines)
        for line in lines:
            if isinstance(line, Overlong):
                self._answer(Reply({}, f"a request has at most {MAX_REQUEST_BYTES} bytes"))
            else:
                self._obey(line)

    def _obey(self, line: bytes) -> None:
        try:
            command = parse_request(line)
        except RemoteProtocolError as error:
            self._answer(Reply({}, str(error)))
        else:
            self._on_command(command, self._answer)

    def _answer(self, reply: Reply) -> None:
        self.stream.write(format_reply(reply))
        self._unanswered -= 1
        self._finish_if_answered()

    def _finish_if_answered(self) -> None:
        """A reload's answer comes late; whoever asked and said no more still gets it."""
        if self._has_ended and not self._unanswered:
            self.stream.finish("done")


def make_directory(path: str) -> None:
    """Make the directory of a control socket that nobody configured. Raises BindError.

    It may lie in a directory everybody can write to, so one that is not ours is not used.
    """
    directory = os.path.dirname(path)
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        owner = os.stat(directory).st_uid
    except OSError as error:
        raise BindError(f"control socket {path}: {(error.strerror or '').lower()}") from error
    if owner not in (os.geteuid(), 0):
        raise BindError(f"control socket {path}: its directory belongs to another user")


def ask(path: str, command: Command, timeout_s: float) -> Reply:
    """Put one request to the daemon behind `path` and wait for its answer.

    Raises ControlError where nobody answers.
    """
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout_s)
            sock.connect(path)
            sock.sendall(format_request(command))
            with sock.makefile("rb") as replies:
                line = replies.readline()
    except OSError as error:
        raise ControlError(
            f"no netd answers at {path}: {(error.strerror or str(error)).lower()}"
        ) from error
    if not line:
        raise ControlError(f"netd at {path} closed the connection without an answer")
    return parse_reply(line)


def _give_to(owner: str, path: str) -> None:
    user, _, group = owner.partition(":")
    if not owner:
        return
    try:
        shutil.chown(path, user or None, group or None)  # type: ignore[arg-type]
    except (OSError, LookupError) as error:
        raise BindError(f"cannot give it to {owner!r}: {error}") from error

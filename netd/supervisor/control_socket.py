"""The daemon's control socket, which a reload can move to another path."""

from __future__ import annotations

from collections.abc import Callable

from netd.config.model import Config
from netd.runtime.loop import Loop
from netd.supervisor.control_server import ControlServer, OnCommand, make_directory


class ControlSocket:
    """At most two servers: the present one, and during a reload the one at the new path."""

    def __init__(self, loop: Loop, path_of: Callable[[Config], str], on_command: OnCommand) -> None:
        self._loop = loop
        self._path_of = path_of
        self._on_command = on_command
        self._path = ""
        self._present: ControlServer | None = None
        self._next: tuple[str, ControlServer] | None = None

    def open(self, config: Config) -> None:
        """Open the first one, unless it is open. Raises BindError."""
        if self._present is None:
            self._path, self._present = self._open(config)

    def prepare_move(self, desired: Config) -> None:
        """Open another one if the path changes, or the file was removed. Raises BindError."""
        is_moved = self._path_of(desired) != self._path
        if self._present is None or not self._present.has_file or is_moved:
            self._next = self._open(desired)

    def move(self) -> None:
        """Use the other one from now on, if there is one."""
        if self._next is not None:
            previous = self._present
            self._path, self._present = self._next
            self._next = None
            if previous is not None:
                previous.close()

    def abandon_move(self) -> None:
        """Close the other one."""
        if self._next is not None:
            self._next[1].close()
            self._next = None

    def close(self) -> None:
        """Close all."""
        self.abandon_move()
        if self._present is not None:
            self._present.close()

    def _open(self, config: Config) -> tuple[str, ControlServer]:
        path = self._path_of(config)
        if not config.netd.control:
            make_directory(path)
        return path, ControlServer(self._loop, path, config.netd, self._on_command)

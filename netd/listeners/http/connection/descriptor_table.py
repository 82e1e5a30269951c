"""The descriptors that go to another process with the state of connections."""

from __future__ import annotations

import os


class DescriptorTable:
    """Descriptors in the order of their positions, by which a state refers to them."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []
        self._positions: dict[int, int] = {}
        self._copies: dict[int, tuple[bytes, int]] = {}  # by id, which is that of a living object

    def position_of(self, fd: int) -> int:
        """Return the position of a descriptor, which is added if it is new."""
        if fd not in self._positions:
            self._positions[fd] = self._add(fd)
        return self._positions[fd]

    def add_copy(self, data: bytes) -> int:
        """Add a file in memory with these bytes, and return its position. Raises OSError.

        Large content is passed on this way: in the state it would be copied for each client.
        """
        if id(data) not in self._copies:
            self._copies[id(data)] = (data, _write_memory(data))
        return self._add(self._copies[id(data)][1])

    def close(self) -> None:
        """Close the files in memory; the other descriptors belong to the connections."""
        for _, fd in self._copies.values():
            os.close(fd)
        self._copies.clear()

    def _add(self, fd: int) -> int:
        self.descriptors.append(fd)
        return len(self.descriptors) - 1


def _write_memory(data: bytes) -> int:
    fd = os.memfd_create("netd-response", os.MFD_CLOEXEC)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(fd, left) :]
    except OSError:
        os.close(fd)
        raise
    return fd

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable

import pytest

from netd.listeners.bundle import Bundle, copy_all
from netd.runtime.descriptors import borrowed_socket, duplicate_all


def fail_at(number: int) -> Callable[[int], int]:
    """dup(2), whose call of this number finds no room."""
    dup, calls = os.dup, iter(range(1, number + 1))

    def failing(fd: int) -> int:
        if next(calls) == number:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return dup(fd)

    return failing


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_copies_are_made_of_all_descriptors_or_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_descriptors()
    monkeypatch.setattr(os, "dup", fail_at(3))
    with pytest.raises(OSError, match="Too many open files"):
        duplicate_all([0, 1, 2])
    assert open_descriptors() == before


def test_bundles_are_copied_all_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_descriptors()
    monkeypatch.setattr(os, "dup", fail_at(4))
    with pytest.raises(OSError, match="Too many open files"):
        copy_all([Bundle(0, 1), Bundle(0, 1)])
    assert open_descriptors() == before


def test_a_borrowed_socket_stays_open() -> None:
    left, right = socket.socketpair()
    with left, right:
        with borrowed_socket(left.fileno()) as sock:
            sock.send(b"by its copy")
        assert right.recv(64) == b"by its copy"
        left.send(b"still open")

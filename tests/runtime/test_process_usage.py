"""The use of a process, and of one about which nothing can be found out."""

from __future__ import annotations

import errno
import os
import resource

import pytest

from netd.runtime.process_usage import own_descriptors, usage_of


def test_a_process_that_has_ended_has_no_usage() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    assert usage_of(pid) == {}
    assert set(usage_of(os.getpid())) == {"cpu_s", "memory_bytes"}


def test_without_a_free_descriptor_none_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_descriptors()["open_descriptors"] > 0

    def refuse(path: str) -> list[str]:
        raise OSError(errno.EMFILE, "Too many open files", path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", refuse)
        assert own_descriptors() == {}


def test_without_a_known_limit_no_descriptors_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_limit: int) -> tuple[int, int]:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(resource, "getrlimit", refuse)
    assert own_descriptors() == {}

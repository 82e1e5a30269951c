from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.errors import StateError
from netd.runtime import sealed_memory


@pytest.fixture
def sealed() -> Iterator[int]:
    fd = sealed_memory.seal(b"what a worker saved")
    yield fd
    os.close(fd)


def test_the_content_is_read_as_often_as_needed(sealed: int) -> None:
    for _ in range(2):
        assert sealed_memory.read(sealed, 100) == b"what a worker saved"


@pytest.mark.parametrize("size", [0, 1, 2**20, 3 * 2**20 + 1])
def test_content_of_every_size_is_whole(size: int) -> None:
    content = os.urandom(size)
    fd = sealed_memory.seal(content)
    assert sealed_memory.read(fd, size) == content
    os.close(fd)


def test_no_process_can_change_it(sealed: int) -> None:
    assert sealed_memory.is_sealed(sealed)
    for change in (
        lambda: os.pwrite(sealed, b"x", 0),
        lambda: os.ftruncate(sealed, 1),
        lambda: os.ftruncate(sealed, 100),
    ):
        with pytest.raises(PermissionError):
            change()


def test_it_is_closed_in_a_program_that_the_process_starts(sealed: int) -> None:
    assert not os.get_inheritable(sealed)


def test_content_above_the_bound_is_refused(sealed: int) -> None:
    with pytest.raises(StateError, match="19 bytes is too large"):
        sealed_memory.read(sealed, 18)
    assert len(sealed_memory.read(sealed, 19)) == 19


def test_a_file_that_others_can_change_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{}")
    for fd in (os.open(tmp_path / "file", os.O_RDONLY), os.memfd_create("unsealed")):
        assert not sealed_memory.is_sealed(fd)
        with pytest.raises(StateError, match="not in a sealed memory file"):
            sealed_memory.read(fd, 100)
        os.close(fd)


def test_a_failure_leaves_no_descriptor_open(monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/proc/self/fd"))

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        sealed_memory.seal(b"content")
    assert len(os.listdir("/proc/self/fd")) == before

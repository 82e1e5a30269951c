"""No path leaves its root."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from netd.listeners.http.files import openat
from tests.listeners.http.http_client import Start, ask, write


def test_no_path_leaves_the_root(start: Start, tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root / "in" / "file", "inside")
    write(tmp_path / "secret", "secret")
    (root / "out").symlink_to(tmp_path)
    (root / "absolute").symlink_to(tmp_path / "secret")
    (root / "relative").symlink_to("../secret")
    (root / "good").symlink_to("in/file")
    (root / "whole").symlink_to(root / "in" / "file")
    (root / "through").symlink_to(tmp_path / "root" / "out" / "secret")
    os.mkfifo(root / "fifo")
    worker = start({"path": "/", "directory": str(root)})
    assert ask(worker, "/good").body == b"inside"
    assert ask(worker, "/whole").body == b"inside"
    assert ask(worker, "/in/../in/./file").body == b"inside"
    for target in (
        "/out/secret",
        "/absolute",
        "/relative",
        "/through",
        "/fifo",
        "/in%2ffile/",
        "/.git/x",
    ):
        assert ask(worker, target).status in (400, 404), target
    for target in ("/../secret", "/%2e%2e/secret", "/in/../../secret", "/in%00", "/..%2fsecret"):
        assert ask(worker, target).status == 400, target


def test_links_upwards_work_while_files_are_renamed(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "file")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to("../file")
    worker = start({"path": "/", "directory": str(tmp_path)}, cache_size=0)
    renaming = "import os\nwhile 1: os.rename('a', 'b'); os.rename('b', 'a')"
    (tmp_path / "a").touch()
    with subprocess.Popen([sys.executable, "-c", renaming], cwd=tmp_path) as renamer:
        statuses = {ask(worker, "/in/link").status for _ in range(500)}
        renamer.kill()
    assert statuses == {200}


def test_a_file_whose_status_cannot_be_read_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_fd: int) -> os.stat_result:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    fd = os.open("/", os.O_RDONLY)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fail)
        with pytest.raises(OSError, match="Input/output error"):
            openat.stat_or_close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)

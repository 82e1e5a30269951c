"""Files that are written whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from netd.runtime.replaced_file import replace_file


@pytest.mark.parametrize("is_lasting", [False, True])
def test_a_reader_finds_the_old_content_or_the_new_one(tmp_path: Path, *, is_lasting: bool) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replace_file(str(path), mode=0o600, is_lasting=is_lasting) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replace_file(str(path)) as file:
        file.write(b"new" * (1 // 0))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_only_regular_files_are_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "fifo":  # like a device, which only root can make
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    before = path.lstat()
    with pytest.raises(OSError, match="not a regular file"), replace_file(str(path)):
        pytest.fail("a file was opened")
    assert os.path.samestat(path.lstat(), before)
    assert os.listdir(tmp_path) == [kind]

"""The page that lists a directory."""

from __future__ import annotations

import os
from pathlib import Path

from tests.listeners.http.http_client import Start, ask, write


def test_listing(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "x" * 2000)
    write(tmp_path / "<a>&.txt")
    write(tmp_path / ".hidden")
    write(tmp_path / "z" / "inner")
    (tmp_path / os.fsdecode(b"bad\xff")).touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "two\nlines").touch()  # a request with %0A is refused
    worker = start({"path": "/", "directory": str(tmp_path), "listing": True})
    page = ask(worker, "/").body.decode()
    assert page.index(">z/<") < page.index("&lt;a&gt;&amp;.txt") < page.index("b.txt")
    assert 'href="./%3Ca%3E%26.txt"' in page
    assert "2.0 KiB" in page
    assert ">loop<" in page
    assert ".hidden" not in page
    assert "<td>two\\x0alines<td>" in page
    assert "../" not in page
    assert 'href="../"' in ask(worker, "/z/").body.decode()
    assert ask(worker, "/bad%FF").status == 200

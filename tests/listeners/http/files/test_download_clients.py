"""curl and wget continue an interrupted download."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.listeners.http.http_client import Start
from tests.programs import require
from tests.support import PATIENCE_S

CONTINUING = {
    "curl": ["--silent", "--show-error", "--continue-at", "-", "--output"],
    "wget": ["--quiet", "--continue", "--output-document"],
}


@pytest.mark.parametrize("program", CONTINUING)
def test_a_download_is_continued(start: Start, program: str, tmp_path: Path) -> None:
    require(program)
    content = os.urandom(300_000)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(content)
    worker = start({"path": "/", "directory": str(tmp_path / "www")})
    got = tmp_path / "got"
    got.write_bytes(content[:100_000])
    url = f"http://127.0.0.1:{worker.address().port}/file"
    subprocess.run([program, *CONTINUING[program], str(got), url], check=True, timeout=PATIENCE_S)
    assert got.read_bytes() == content
    counters = worker.await_counters(lambda c: c["requests"] >= 1)
    assert counters["bytes_out"] < 250_000

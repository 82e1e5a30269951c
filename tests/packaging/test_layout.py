"""The top level of the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = {"README.md", "config", "netd", "packaging", "pyproject.toml", "tests"}


@pytest.mark.needs("git")
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout")
def test_nothing_else_stands_at_the_top() -> None:
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    names = {name.partition("/")[0] for name in listed if name}
    assert {name for name in names if not name.startswith(".")} == TOP

"""The pages for developers name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT)
    for folder in ("netd", "tests", "packaging")
    for path in ROOT.joinpath(folder).rglob("*.md")
    if path.name != "CHANGELOG.md"
)
_PATH = re.compile(r"(?<![\w/.])((?:netd|tests|packaging|config|\.ci)/[\w./-]*\w/?)")
_LINK = re.compile(r"\]\((?!\w+:)([^)#]+)\)")


@pytest.mark.parametrize("page", [Path("README.md"), *PAGES], ids=str)
def test_every_path_exists(page: Path) -> None:
    text = (ROOT / page).read_text()
    missing = {path for path in _PATH.findall(text) if not (ROOT / path).exists()}
    linked = {link for link in _LINK.findall(text) if not (ROOT / page.parent / link).exists()}
    assert not missing | linked

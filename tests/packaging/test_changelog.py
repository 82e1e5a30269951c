"""CHANGELOG.md has the form that Debian's changelog is made from."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PACKAGING = Path(__file__).parents[2] / "packaging"
DATE = "Wed, 25 Nov 2026 12:00:00 +0000"
ENTRY = re.compile(
    r"netd \((\S+)\) unstable; urgency=medium\n\n((?:  (?:\* |  )\S.*\n)+)\n -- .+ <.+>  (.+)\n"
)


def test_debians_changelog_is_made_from_ours() -> None:
    command = [sys.executable, str(PACKAGING / "changelog.py"), "9.8.7", "~deb13", DATE]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    entries = ENTRY.findall(made)
    assert "\n".join(match[0] for match in ENTRY.finditer(made)) == made
    changelog = (PACKAGING / "CHANGELOG.md").read_text()
    names = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    versions = ["9.8.7" if name == "Unreleased" else name for name in names]
    assert [version for version, _, _ in entries] == [f"{version}~deb13" for version in versions]
    assert names[0] != "Unreleased" or entries[0][2] == DATE
    items = re.findall(r"^- ", changelog, re.MULTILINE)
    assert sum(body.count("  * ") for _, body, _ in entries) == len(items)


def test_its_categories_are_those_of_keep_a_changelog() -> None:
    categories = re.findall(r"^### (.*)", (PACKAGING / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert categories
    allowed = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(categories) <= allowed

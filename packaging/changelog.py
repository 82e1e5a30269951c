#!/usr/bin/env python3
"""Prints debian/changelog, made from packaging/CHANGELOG.md (deb-changelog(5)).

    packaging/changelog.py VERSION DEBIAN-SUFFIX DATE

VERSION and DATE are those of the section [Unreleased]; a released section names its own.
"""
# ruff: noqa: T201 (a script, in no package, that prints)

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parent / "CHANGELOG.md"
_SECTION: Final = re.compile(
    r"^## \[(.+?)\](?: - (\S+))?\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL
)
_CATEGORY: Final = re.compile(r"(?ms)^### (\w+)\n(.*?)(?=^### |\Z)")
_ITEM: Final = re.compile(r"(?ms)^- (.*?)(?=^- |\Z)")
_MAINTAINER: Final = "netd maintainers <maintainers@netd.invalid>"


def convert(text: str, version: str, suffix: str, date: str) -> Iterator[str]:
    """The entries of debian/changelog for the sections of a CHANGELOG.md."""
    for name, day, body in _SECTION.findall(text):
        if name == "Unreleased":
            yield _entry(version + suffix, date, body)
        else:
            released = datetime.fromisoformat(day).replace(tzinfo=UTC)
            yield _entry(name + suffix, format_datetime(released), body)


def _entry(version: str, date: str, body: str) -> str:
    items = "\n".join(
        _item(f"{category}: {item}")
        for category, part in _CATEGORY.findall(body)
        for item in _ITEM.findall(part)
    )
    return f"netd ({version}) unstable; urgency=medium\n\n{items}\n\n -- {_MAINTAINER}  {date}\n"


def _item(text: str) -> str:
    plain = " ".join(text.replace("`", "").split())
    return textwrap.fill(plain, 78, initial_indent="  * ", subsequent_indent="    ")


if __name__ == "__main__":
    print("\n".join(convert(SOURCE.read_text(encoding="utf-8"), *sys.argv[1:])), end="")

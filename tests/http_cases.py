"""Reads the requests in tests/cases/http."""

from __future__ import annotations

import re
from pathlib import Path

CASES = Path(__file__).parent / "cases" / "http"
PARSED = ("field", "framing", "request_line")
_ESCAPE = re.compile(r"\\(r|n|t|0|\\|x[0-9a-f]{2})")
_PLAIN = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


def raw(text: str) -> bytes:
    """Return the bytes of a request as a case writes it."""
    text = _ESCAPE.sub(lambda m: _PLAIN.get(m[1]) or chr(int(m[1][1:], 16)), text)
    text = re.sub(r"\{(\d+)\*([^}]*)\}", lambda m: int(m[1]) * m[2], text)
    return text.encode("latin-1")


def load(*names: str) -> list[tuple[str, bytes, str]]:
    """Return (outcome, request, subject) of all cases in these files."""
    cases = []
    for name in names:
        for line in (CASES / f"{name}.txt").read_text(encoding="ascii").splitlines():
            outcome, _, rest = line.partition("  ")
            rest = rest.removeprefix(" ") if outcome == "ok" else rest
            request, _, subject = rest.rpartition(" -- ")
            cases.append((outcome, raw(request), f"{name}: {subject}"))
    return cases

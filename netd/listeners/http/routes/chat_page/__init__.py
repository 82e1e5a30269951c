"""The page of a chat: its files, put together to one that needs no other.

The script is made of modules of plain JavaScript: `irc` (the grammar), `link` (the connection),
`model` (conversations), `commands`, `view` (the document) and `main`. Comments and indentation are
left out. The types in the comments are for the type checker.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys
from typing import Any, Final

_MODULES: Final = ("irc", "link", "model", "commands", "view", "main")  # each after its imports
# What is left out of the script, in this order. No text in it looks like one of these.
_LEFT_OUT: Final = tuple(
    (re.compile(pattern, re.DOTALL | re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"^import [^;]*;|/\*\*.*?\*/ ?|^ *//[^\n]*|^export |^ +", ""),
        (r"\n\s+", "\n"),
        (r"(?<=[;,{(\[])\n", ""),  # where a statement cannot end
        (r" (=>|[=!]==|&&|\|\||\?\?|\+?=) ", r"\1"),
        (r"(?<=[\w)\]\"'`}]) ([?:]) (?=[\w(\[\"'`/!$])", r"\1"),
        (r"\b(if|for|while) (?=\()|(?<=\)) (?=\{)", r"\1"),
        (r"(?<=\{) (?=\w)|(?<=[\w\]\)]) (?=\})", ""),
    )
)
_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect "
    "width='16' height='16' fill='%232563c9'/%3E%3Cpath d='M3 4h10v6H8l-4 3v-3H3z' fill='white'/"
    "%3E%3C/svg%3E"
)
MANIFEST: Final = json.dumps(
    {
        "name": "Chat",
        "start_url": ".",
        "display": "standalone",
        "icons": [{"src": _ICON, "sizes": "any", "type": "image/svg+xml"}],
    }
)
"""The web application manifest, with which a browser offers to install the page."""


def _read(name: str) -> str:
    """A file beside this module; the loader may have it in memory (`preload`)."""
    loader: Any = sys.modules[__name__].__loader__
    return str(loader.get_data(os.path.join(os.path.dirname(__file__), name)), "utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def assemble() -> tuple[str, str]:
    """The page, and its Content-Security-Policy."""
    script = "".join(_read(f"{name}.js") for name in _MODULES)
    for pattern, replacement in _LEFT_OUT:
        script = pattern.sub(replacement, script)
    style = re.sub(r"\s*([{};,])\s*|(?<=:) ", r"\1", _read("style.css"))
    policy = (
        f"default-src 'none'; style-src 'sha256-{_hash(style)}'; "
        f"script-src 'sha256-{_hash(script)}'; connect-src 'self'; img-src data:; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    page = _read("page.html").replace("{style}", style).replace("{script}", script)
    return page, policy

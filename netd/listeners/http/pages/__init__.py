"""The style of all pages that netd makes, and the document around them.

`page.css` has the colours, the text and the controls; a page adds a style and a script of its own.
Both are in the document, and `format_policy` permits them by their hashes, and nothing else.
Imports nothing of the listener.
"""

from __future__ import annotations

import base64
import os
import re
import sys
from typing import Any, Final

ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect "
    "width='16' height='12' rx='4' fill='%232563c9'/%3E%3Cpath d='M4 11v5l5-5z' fill='%232563c9'/"
    "%3E%3C/svg%3E"
)
"""The icon of a page, for the tab of a browser."""

ICON_LINK: Final = f'<link rel="icon" href="{ICON}">\n'
"""The element that names the icon."""

_DOCUMENT: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
{head}<style>{style}</style>
{body}"""


def read_beside(module: str, name: str) -> str:
    """Read the file `name` beside a module; the loader may have it in memory (`preload`)."""
    found = sys.modules[module]
    loader: Any = found.__loader__
    return str(loader.get_data(os.path.join(os.path.dirname(str(found.__file__)), name)), "utf-8")


def minify_style(style: str) -> str:
    """Leave out the blanks that mean nothing in our style sheets."""
    return re.sub(r"\s*([{};,>])\s*|(?<=:) ", r"\1", style).replace(";}", "}")


STYLE: Final = minify_style(read_beside(__name__, "page.css"))
"""The style that all pages begin with."""


def format_policy(style: str, script: str = "", *directives: str) -> str:
    """Format the Content-Security-Policy of a page with this style and script, and no others."""
    sources = [f"style-src {_hash(style)}", *([f"script-src {_hash(script)}"] if script else [])]
    rest = ("base-uri 'none'", "frame-ancestors 'self'")
    return "; ".join(["default-src 'none'", *sources, *directives, *rest])


def _hash(text: str) -> str:
    import hashlib  # noqa: PLC0415 (loads OpenSSL, and most listeners make no such page)

    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def format_document(title: str, body: str, *, style: str = STYLE, head: str = ICON_LINK) -> str:
    """Format a document; `title` and `body` are HTML, `head` is what the head has besides them."""
    return _DOCUMENT.format(title=title, head=head, style=style, body=body)

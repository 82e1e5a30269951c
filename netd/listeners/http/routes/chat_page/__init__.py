"""The page of a chat: its files, put together to one that needs no other.

The script is made of modules of plain JavaScript: `irc` (the grammar), `link` (the connection),
`model` (conversations), `commands`, `view` (the document) and `main`. Comments and indentation are
left out. The types in the comments are for the type checker.
"""

from __future__ import annotations

import json
import re
from typing import Final

from netd.listeners.http.pages import ICON, STYLE, format_policy, minify_style, read_beside

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


def assemble() -> tuple[str, str]:
    """The page, and its Content-Security-Policy."""
    script = "".join(read_beside(__name__, f"{name}.js") for name in _MODULES)
    for pattern, replacement in _LEFT_OUT:
        script = pattern.sub(replacement, script)
    style = STYLE + minify_style(read_beside(__name__, "style.css"))
    images = ("img-src data:", "manifest-src 'self'")
    policy = format_policy(style, script, "connect-src 'self'", *images, "form-action 'none'")
    page = read_beside(__name__, "page.html").replace("{icon}", ICON)
    return page.replace("{style}", style).replace("{script}", script), policy

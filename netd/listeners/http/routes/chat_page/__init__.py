"""The page of a chat: its files, put together to one that needs no other.

The script is made of modules of plain JavaScript, each of which begins with what it is for. Those
before `dom` have no document: messages of the server change conversations, and the view is called.
Comments are left out. The types in them are for the type checker.
"""

from __future__ import annotations

import json
import re
from typing import Final

from netd.listeners.http.pages import ICON, STYLE, format_policy, minify_style, read_beside

_MODULES: Final = (  # each after its imports
    *("irc", "link", "batches", "conversation", "outbox", "history", "replies", "model"),
    *("dom", "dialogs", "commands", "box", "log", "view", "main"),
)
_EXPORTS: Final = re.compile(r"^import [^;]*;|^export ", re.MULTILINE)
# Words for which a browser reads a shorter one as well, and the long names that are used most.
_SHORTER: Final = {
    "const": "let",
    "false": "!1",
    "true": "!0",
    "conversation": "$c",
    "conversations": "$s",
    "current": "$n",
    "isChannel": "$i",
    "isRegistered": "$r",
    "needsPassword": "$p",
}
_INSERTED: Final = re.compile(r"\$\{((?:[^`}]|`[^`]*`)*)\}")
_TOKEN: Final = re.compile(
    r"""(?P<space> \s+ | //[^\n]* | /\*.*?\*/)
    | "(?:\\.|[^"\\])*"
    | (?P<template>`(?:\\. | \$\{(?:[^`}]|`[^`]*`)*\} | [^`\\])*`)
    | (?:(?<=\() | (?<=[,=?:]\ )) / (?:\\. | \[(?:\\.|[^]\\])*\] | [^/\\])+ /
    | \((?P<single>\w+)\)(?=\ =>)
    | (?P<word>[\w$]+)
    | .""",
    re.DOTALL | re.VERBOSE,
)
_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect "
    "width='16' height='16' fill='%232563c9'/%3E%3Cpath d='M3 4h10v6H8l-4 3v-3H3z' fill='white'/"
    "%3E%3C/svg%3E"
)
MANIFEST: Final = json.dumps(
    {
        "name": "Chat",
        "start_url": "?",  # the page itself, which has the manifest as another query
        "display": "standalone",
        "icons": [{"src": _ICON, "sizes": "any", "type": "image/svg+xml"}],
    }
)
"""The web application manifest, with which a browser offers to install the page."""


def _condense(script: str) -> str:
    """A script without what a browser does not need.

    Each statement must end with a semicolon, a loop must have a body, and a template may have
    templates in it that have none.
    """
    kept: list[str] = []
    is_word = is_space = False
    for token in _TOKEN.finditer(script):
        if token["space"]:
            is_space = True
            continue
        if is_space and is_word and token["word"]:
            kept.append(" ")
        if token[0] == "}" and kept and kept[-1] == ";":
            kept.pop()
        text = token["single"] or token[0]
        text = _SHORTER.get(text, text)
        if token["template"]:
            text = _INSERTED.sub(lambda part: f"${{{_condense(part[1])}}}", text)
        kept.append(text)
        is_word, is_space = bool(token["word"]), False
    return "".join(kept)


def assemble() -> tuple[str, str]:
    """The page, and its Content-Security-Policy."""
    sources = (_EXPORTS.sub("", read_beside(__name__, f"{name}.js")) for name in _MODULES)
    script = "".join(map(_condense, sources))
    style = STYLE + minify_style(read_beside(__name__, "style.css"))
    images = ("img-src data:", "manifest-src 'self'")
    policy = format_policy(style, script, "connect-src 'self'", *images, "form-action 'none'")
    page = read_beside(__name__, "page.html").replace("{icon}", ICON)
    return page.replace("{style}", style).replace("{script}", script), policy

"""Explains the syntax errors of tomllib: names the usual mistake that is on the line."""

from __future__ import annotations

import re
from typing import Final

_DECLARED_TWICE: Final = re.compile(r"Cannot declare \((.*)\) twice")
_PLAIN_MESSAGES: Final = {  # for messages of tomllib
    "Expected newline or end of document after a statement": (
        'unexpected text after the value; text needs quotes, as in "10s"'
    ),
    "Invalid value": 'no value that TOML knows; text needs quotes, as in "echo"',
    "Invalid statement": "expected a line such as key = value or [table]",
    "Cannot overwrite a value": "this key or table has been given before",
}
_TEXT: Final = r"\"(?:[^\"\\]|\\.)*\"|'[^']*'"
_MISTAKES: Final = tuple(  # on the line of a syntax error, outside quotes
    (re.compile(pattern, re.VERBOSE), message)
    for pattern, message in (
        (
            "[\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb]",
            "a typographic quotation mark; write \" or '",
        ),
        (
            r"[=\[,:] \s* (?:yes|on|True|TRUE) \b",
            "write true, in small letters and without quotes",
        ),
        (
            r"[=\[,:] \s* (?:no|off|False|FALSE) \b",
            "write false, in small letters and without quotes",
        ),
        (r"= \s* (?:None|null|nil) \b", "TOML has no empty value; remove the line"),
        (r"^ \s* (?://|;|--)", "a comment begins with #"),
        (r"^ \s* [\w.-]+ \s* :", "expected key = value, with = in place of :"),
        (r"; \s* $", "a line ends without ;"),
    )
)


def explain_syntax_error(message: str, text: str, number: int) -> tuple[int, str]:
    """The line and the message for an error that tomllib found on line `number`, counted from 1."""
    lines = text.split("\n")
    line = lines[number - 1]
    if message.startswith("Illegal character '\\n'") and line.count('"') + line.count("'"):
        return number, "the text has no closing quotation mark on its line"
    if message == "Unescaped '\\' in a string":
        return number, "write \\ twice, or put the text in single quotes: '...'"
    opened = _open_inline_table(lines, number)
    if opened:
        return opened, "an inline table { } must be on one line; write a [table] of its own"
    bare = re.sub(_TEXT, '""', line)
    for pattern, advice in _MISTAKES:
        if pattern.search(bare):
            return number, advice
    return number, _in_plain_words(message)


def _open_inline_table(lines: list[str], number: int) -> int:
    """The number of a line at or just before the error that leaves a `{` open; 0 for none."""
    for candidate in (number, number - 1):
        bare = re.sub(f"{_TEXT}|#.*", "", lines[candidate - 1]) if candidate else ""
        if re.search(r"=\s*\{", bare) and bare.count("{") > bare.count("}"):
            return candidate
    return 0


def _in_plain_words(message: str) -> str:
    declared = _DECLARED_TWICE.fullmatch(message)
    if declared:
        name = ".".join(re.findall(r"'([^']*)'", declared[1]))
        return f"the table [{name}] has been declared before"
    return _PLAIN_MESSAGES.get(message, f"{message[0].lower()}{message[1:]}")

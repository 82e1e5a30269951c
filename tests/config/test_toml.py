from __future__ import annotations

import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from netd.config.toml import Path, find_lines, line_of

DOCUMENT = '''\
# a comment with [brackets] = "and" more
title = "x # no comment"
[netd]
a.b = 1
"quoted \\u00e9 \\" key" = 2   # comment
'literal.key' = 3

[listeners.web]
address = [
    "one",  # first
    "two",
]
inline = { p = 1, q = [ { r = "}" } ] }
text = """
[not.a.table]
"quoted" \\""" x = 1
"""
raw = \'\'\'
[[nor.this]]
\'\'\'

[[listeners.web.routes]]
path = "/"
[listeners.web.routes.headers]
x = true
[[listeners.web.routes]]
path = 1979-05-27T07:32:00Z
'''


def paths_of(value: object, path: Path = ()) -> set[Path]:
    """Every path in what tomllib made of a document."""
    found = {path} if path else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths_of(inner, (*path, key))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found |= paths_of(inner, (*path, number))
    return found


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("netd",), 3),
        (("netd", "a", "b"), 4),
        (("netd", 'quoted é " key'), 5),
        (("netd", "literal.key"), 6),
        (("listeners", "web"), 8),
        (("listeners", "web", "address", 1), 11),
        (("listeners", "web", "inline", "q", 0, "r"), 13),
        (("listeners", "web", "raw"), 18),
        (("listeners", "web", "routes", 0, "path"), 23),
        (("listeners", "web", "routes", 0, "headers", "x"), 25),
        (("listeners", "web", "routes", 1), 26),
        (("listeners", "web", "routes", 1, "path"), 27),
        (("listeners", "web", "routes", 1, "missing"), 26),
        (("elsewhere",), 0),
    ],
)
def test_a_key_is_found_on_its_line(path: Path, line: int) -> None:
    assert line_of(find_lines(DOCUMENT), path) == line


def test_every_path_is_found_and_no_other() -> None:
    assert set(find_lines(DOCUMENT)) == paths_of(tomllib.loads(DOCUMENT))


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
values = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(keys, values, max_size=5), st.booleans())
def test_the_scanner_finds_the_paths_that_tomllib_reads(
    document: dict[str, object],
    multiline: bool,  # noqa: FBT001 (drawn by hypothesis)
) -> None:
    text = tomli_w.dumps(document, multiline_strings=multiline)
    assert set(find_lines(text)) == paths_of(tomllib.loads(text))


@pytest.mark.parametrize(
    "document",
    [
        f"[{'a.' * 5000}a]\nb = 1\n",
        f"{'a.' * 5000}a = 1\n",
        f"a = {'[' * 200}{'1,' * 900}{']' * 200}",
    ],
)
def test_the_paths_of_a_deep_document_stay_short(document: str) -> None:
    lines = find_lines(document)
    assert max(map(len, lines)) == 100

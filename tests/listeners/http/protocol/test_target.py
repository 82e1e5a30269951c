from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.errors import RemoteProtocolError
from netd.listeners.http.protocol.target import parse_path


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"/a/b", "/a/b"),
        (b"/a/b/", "/a/b/"),
        (b"/a//b", "/a/b"),
        (b"//", "/"),
        (b"/a/./b", "/a/b"),
        (b"/a/../b", "/b"),
        (b"/a/b/..", "/a/"),
        (b"/a/.", "/a/"),
        (b"/a/%2e%2E/b", "/b"),
        (b"/%61", "/a"),
        (b"/a%20b", "/a b"),
        (b"/%C3%A9", "/é"),
        (b"/%ff", "/\udcff"),
        (b"/a%", "/a%"),
        (b"/...", "/..."),
        (b"/.hidden", "/.hidden"),
    ],
)
def test_a_path_is_decoded_and_its_dots_resolved(raw: bytes, path: str) -> None:
    assert parse_path(raw) == path


@pytest.mark.parametrize(
    "raw", [b"/..", b"/a/../..", b"/%2e%2e/x", b"/a%2fb", b"/a%00", b"/a%0d", b"/a%7f"]
)
def test_a_path_that_would_leave_the_root_is_refused(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        parse_path(raw)
    assert refused.value.status == 400


@given(st.text("/.%2efa\\ ", max_size=30))
def test_no_path_leaves_its_root(text: str) -> None:
    try:
        path = parse_path(b"/" + text.encode())
    except RemoteProtocolError:
        return
    assert path.startswith("/")
    assert not {"", ".", ".."} & set(path.strip("/").split("/")) or path == "/"

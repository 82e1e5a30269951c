"""The status line, and which responses have content."""

from __future__ import annotations

import pytest

from netd.listeners.http.protocol.response import Response, format_head, has_content


def test_the_status_line() -> None:
    status_line, _ = format_head(Response(404), common=b"", minor=1, close=False)
    assert status_line == b"HTTP/1.1 404 Not Found\r\n"


@pytest.mark.parametrize(
    ("status", "has"), [(100, False), (200, True), (204, False), (304, False), (404, True)]
)
def test_content(status: int, *, has: bool) -> None:
    assert has_content(status) == has

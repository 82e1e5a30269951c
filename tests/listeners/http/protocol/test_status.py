"""The first line of an answer, and which answers have content."""

from __future__ import annotations

import pytest

from netd.listeners.http.protocol.status import has_content, status_line


def test_the_first_line() -> None:
    assert status_line(404) == b"HTTP/1.1 404 Not Found\r\n"


@pytest.mark.parametrize(
    ("status", "has"), [(100, False), (200, True), (204, False), (304, False), (404, True)]
)
def test_content(status: int, *, has: bool) -> None:
    assert has_content(status) == has

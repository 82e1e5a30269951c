from __future__ import annotations

import asyncio
import selectors
from pathlib import Path

import pytest

from netd.client.stdin import MAX_LINE_CHARS, read_lines


def read(path: Path) -> list[str]:
    async def collect() -> list[str]:
        with path.open("rb") as file:
            return [line async for line in read_lines(file.fileno())]

    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        return runner.run(collect())


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (b"", []),
        (b"a\nb\r\n\nc", ["a", "b", "", "c"]),
        (b"a\rb\n", ["a\rb"]),
        (b"caf\xe9\n\xc3", ["caf\ufffd", "\ufffd"]),
    ],
)
def test_all_lines_are_read(tmp_path: Path, given: bytes, lines: list[str]) -> None:
    (tmp_path / "given").write_bytes(given)
    assert read(tmp_path / "given") == lines


def test_a_line_of_any_length_arrives_whole(tmp_path: Path) -> None:
    text = "xü" * MAX_LINE_CHARS
    (tmp_path / "given").write_text(f"{text}\nend\n", encoding="utf-8")
    *pieces, last = read(tmp_path / "given")
    assert ("".join(pieces), last) == (text, "end")

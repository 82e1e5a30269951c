"""The pages for developers name files that exist, and their example works."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from tests.conftest import StartWorker
from tests.support import read_all

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT)
    for folder in ("netd", "tests", "packaging")
    for path in ROOT.joinpath(folder).rglob("*.md")
    if path.name != "CHANGELOG.md"
)
_PATH = re.compile(r"(?<![\w/.])((?:netd|tests|packaging|config|\.ci)/[\w./-]*\w/?)")
_LINK = re.compile(r"\]\((?!\w+:)([^)#]+)\)")


@pytest.mark.parametrize("page", [Path("README.md"), *PAGES], ids=str)
def test_every_path_exists(page: Path) -> None:
    text = (ROOT / page).read_text()
    missing = {path for path in _PATH.findall(text) if not (ROOT / path).exists()}
    linked = {link for link in _LINK.findall(text) if not (ROOT / page.parent / link).exists()}
    assert not missing | linked


def test_the_kind_that_the_page_adds_works(
    start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [source] = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "netd/README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    path = tmp_path / "daytime.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("daytime", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "daytime", module)  # where its annotations are looked up
    spec.loader.exec_module(module)
    worker = start_worker(module.KIND, {"format": "%Y"}, ["tcp://127.0.0.1:0"])
    with worker.connect() as client:
        assert re.fullmatch(rb"\d{4}\r\n", read_all(client))
    assert re.fullmatch(r"\d{4}", module.probe("test", worker.address(), 5.0))
    worker.configure({"format": "%Z"})
    worker.drain()
    assert worker.await_exit().status == 0
    assert worker.counters["accepted"] == 2

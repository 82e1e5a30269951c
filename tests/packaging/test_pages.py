"""The pages for developers name files that exist, and their example works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from netd.config.address import Address
from tests.support import PATIENCE_S, connect, read_all, wait_until

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


RUN = """
import sys
import daytime
from netd.cli import main
from netd.listeners.kinds import KINDS
KINDS["daytime"] = daytime.KIND
main()
"""


def test_the_kind_that_the_page_adds_works(tmp_path: Path) -> None:
    """As a module and a name in the tuple do, in the real daemon and its commands."""
    [source] = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "netd/README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "daytime.py").write_text(source)
    address, control = f"unix://{tmp_path}/daytime.sock", f"{tmp_path}/control.sock"
    (tmp_path / "netd.toml").write_text(
        f'[netd]\ncontrol = "{control}"\n'
        f'[listeners.time]\nkind = "daytime"\naddress = "{address}"\n'
    )

    def netd(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
            timeout=PATIENCE_S,
        )

    file = ("--config", f"{tmp_path}/netd.toml")
    assert netd("check", *file).returncode == 0
    assert "[listeners.daytime]" in netd("config", "default").stdout
    command = [sys.executable, "-c", RUN, "run", *file]
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    with subprocess.Popen(command, env=environ) as daemon:
        try:
            wait_until(lambda: netd("status", *file).returncode == 0, "the daemon")
            with connect(Address.parse(address)) as client:
                assert re.fullmatch(rb"\w{3}, .* \d{4} .*\r\n", read_all(client))
            probe = netd("probe", *file)
            assert re.search(r"time  unix://.*  ok  \w{3}, ", probe.stdout)
            counters = {"accepted": 2, "bytes_in": 0}

            def are_counted() -> object:  # the counters come with a heartbeat
                [listener] = json.loads(netd("status", "--json", *file).stdout)["listeners"]
                return counters.items() <= listener["counters"].items()

            wait_until(are_counted, "the counters")
        finally:
            daemon.terminate()
        assert daemon.wait(PATIENCE_S) == 0

"""All example configurations, run by one daemon: at free ports, in a directory of the test."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from tests.conftest import StartDaemon

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted([*(ROOT / "config").rglob("*.toml"), ROOT / "packaging/netd.toml"])
REFERENCES = ("chat", "post")  # keys of a route that name a listener


def moved(value: Any, prefix: str, directory: Path) -> Any:
    """A value of an example, with addresses, directories and names of listeners of the test."""
    match value:
        case list():
            return [moved(item, prefix, directory) for item in value]
        case dict():
            return {
                key: prefix + inner if key in REFERENCES else moved(inner, prefix, directory)
                for key, inner in value.items()
            }
        case str() if value.startswith(("tcp://", "udp://")):
            return f"{value[:6]}127.0.0.1:0"
        case str() if value.startswith("unix"):
            scheme, _, path = value.partition("://")
            return f"{scheme}://{directory}/{prefix}{Path(path).name}"
        case str() if value.startswith("/srv/"):
            return str(directory)
    return value


def test_every_example_runs(start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon_keys: dict[str, Any] = {}
    names: list[str] = []
    for number, path in enumerate(EXAMPLES):
        document = tomllib.loads(path.read_text())
        daemon_keys |= document.get("netd", {})
        prefix = f"example{number}-"
        listeners = {
            prefix + name: moved(table, prefix, tmp_path)
            for name, table in document["listeners"].items()
        }
        names += listeners
        (tmp_path / f"{prefix}.toml").write_text(tomli_w.dumps({"listeners": listeners}))
    include = f"{tmp_path}/example*.toml"
    daemon = start_daemon(tomli_w.dumps({"include": [include], "netd": daemon_keys}))
    found = daemon.status()["listeners"]
    assert {listener["name"]: listener["state"] for listener in found} == dict.fromkeys(
        names, "serving"
    )
    probe = daemon.netd("probe")
    assert probe.returncode == 0, probe.stdout
    assert probe.stdout.count("  ok  ") == sum(len(listener["addresses"]) for listener in found)

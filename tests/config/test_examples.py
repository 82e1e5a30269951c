from __future__ import annotations

from pathlib import Path

import pytest

from netd.config.load import read_config
from netd.listeners.kinds import KINDS

ROOT = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.toml")), ids=lambda path: path.name)
def test_an_example_is_a_configuration_without_fault(path: Path) -> None:
    assert read_config(str(path), KINDS).listeners

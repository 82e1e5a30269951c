from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest

from netd.config.json_schema import json_schema
from netd.config.load import read_config
from netd.listeners.kinds import KINDS

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted([*(ROOT / "config").rglob("*.toml"), *(ROOT / "packaging").glob("*.toml")])
SCHEMA = jsonschema.Draft202012Validator(json_schema(KINDS))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_has_no_fault(path: Path) -> None:
    assert read_config(str(path), KINDS).listeners
    SCHEMA.validate(tomllib.loads(path.read_text()))

"""Each test imports a package of its own in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import shutil, sys
sys.path.insert(0, sys.argv[1])
import house
import house.early
from netd.runtime.preloaded_code import preload
preload(house, without=["attic"])
shutil.rmtree(sys.argv[1])
assert not {"house.room", "house.room.late"} & sys.modules.keys()
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    files = {
        "__init__.py": "",
        "early.py": "WHEN = 'early'",
        "late.py": "from house.early import WHEN as BEFORE\nWHEN = 'late'",
        "room/__init__.py": "SIZE = 3",
        "room/late.py": "from house.room import SIZE",
        "room/data.txt": "data",
        "attic/__init__.py": "",
        "attic/old.py": "",
    }
    for name, content in files.items():
        path = tmp_path / "lib" / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "lib"


def run(house: Path, script: str) -> str:
    command = [sys.executable, "-W", "error", "-c", SCRIPT + script, str(house)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_module_is_imported_without_its_file(house: Path) -> None:
    script = "from house.late import *; import house.late; print(WHEN, BEFORE, house.late.__file__)"
    assert run(house, script) == f"late early {house}/house/late.py"


def test_a_package_and_its_modules_are_imported_without_their_files(house: Path) -> None:
    script = "from house.room.late import SIZE; import house.room; print(SIZE, house.room.__path__)"
    assert run(house, script) == f"3 ['{house}/house/room']"


def test_a_data_file_is_read_from_memory(house: Path) -> None:
    script = (
        "import house.room; path = f'{house.room.__path__[0]}/data.txt';"
        "print(house.room.__loader__.get_data(path))"
    )
    assert run(house, script) == "b'data'"


def test_an_imported_module_stays_the_same(house: Path) -> None:
    script = "module = house.early; import house.early; print(module is house.early)"
    assert run(house, script) == "True"


@pytest.mark.parametrize("module", ["house.attic.old", "house.unknown"])
def test_other_modules_are_not_found(house: Path, module: str) -> None:
    script = f"""
try:
    import {module}
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert run(house, script) in {"house.attic", "house.unknown"}


def test_what_is_kept_is_not_run(house: Path) -> None:
    (house / "house" / "broken.py").write_text("raise SystemExit(1)")
    assert run(house, "print('alive')") == "alive"

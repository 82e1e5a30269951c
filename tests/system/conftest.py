"""Builds the package, and boots the Debians it is installed on."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.container import CACHE, PROJECT, Container, why_not

StartContainer = Callable[[str], Container]


@pytest.fixture(autouse=True, scope="session")
def _able() -> None:
    if reason := why_not():
        refuse = pytest.fail if "NETD_SYSTEM_REQUIRED" in os.environ else pytest.skip
        refuse(reason)


@functools.cache
def build(suite: str) -> Path:
    """The package of this checkout for a suite."""
    output = CACHE / "dist" / suite
    for old in output.glob("*.deb"):
        old.unlink()
    done = subprocess.run(
        [str(PROJECT / "packaging" / "build"), "--suite", suite, "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    [package] = output.glob("*.deb")
    return package


def install(container: Container, package: Path) -> str:
    """Install a package file as an administrator does; what apt said."""
    options = "-y -q -o Dpkg::Options::=--force-confdef"
    return container.sh(
        f"DEBIAN_FRONTEND=noninteractive apt-get install {options} {container.copy_in(package)}"
    )


@pytest.fixture
def start_container(tmp_path: Path) -> Iterator[StartContainer]:
    """Boot containers of a suite for one test."""
    started: list[Container] = []

    def start(suite: str) -> Container:
        directory = tmp_path / f"container{len(started)}"
        directory.mkdir()
        container = Container(suite, directory)
        started.append(container)
        return container

    yield start
    for container in started:
        container.__exit__()


@pytest.fixture(scope="session", params=["trixie", "bookworm"])
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _able: None
) -> Iterator[Container]:
    """A booted Debian with netd installed; every test leaves it as it found it."""
    with Container(request.param, tmp_path_factory.mktemp(request.param)) as container:
        install(container, build(request.param))
        yield container

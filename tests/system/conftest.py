"""Builds the package, and boots containers that it is installed in."""

from __future__ import annotations

import contextlib
import functools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.container import CACHE, PROJECT, Container, base_root, find_obstacle

StartContainer = Callable[[str], Container]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a run that was to include system tests where they cannot run.

    They are deselected unless requested (`-m system`), so skipping them would report success
    for a request that was not carried out.
    """
    is_requested = any(item.get_closest_marker("system") for item in session.items)
    if is_requested and not session.config.option.collectonly and (obstacle := find_obstacle()):
        raise pytest.UsageError(f"the system tests cannot run here: {obstacle}")


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
    """Install a package file as an administrator does; returns the output of apt."""
    options = "-y -q -o Dpkg::Options::=--force-confdef"
    return container.sh(
        f"DEBIAN_FRONTEND=noninteractive apt-get install {options} {container.copy_in(package)}"
    )


@pytest.fixture(scope="session", autouse=True)
def _prepared(request: pytest.FixtureRequest) -> None:
    """Make the roots and packages before the first test, whose time they would take up."""
    system = [item.nodeid for item in request.session.items if item.get_closest_marker("system")]
    for suite in sorted({"bookworm" if "bookworm" in name else "trixie" for name in system}):
        base_root(suite)
        build(suite)


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


@pytest.fixture(scope="session")
def installed_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartContainer]:
    """The booted Debian of a suite that has netd installed and that all tests use."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def boot(suite: str) -> Container:
            container = stack.enter_context(Container(suite, tmp_path_factory.mktemp(suite)))
            install(container, build(suite))
            return container

        yield boot


@pytest.fixture(scope="session", params=["trixie", "bookworm"])
def installed(request: pytest.FixtureRequest, installed_on: StartContainer) -> Container:
    """A booted Debian with netd installed; a test restores what it changes."""
    return installed_on(request.param)

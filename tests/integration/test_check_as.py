"""`netd check` as another user: what that user cannot do is a fault."""

from __future__ import annotations

import os
import select
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import netd
from netd.commands.check import held_by_daemon
from netd.runtime import process
from netd.runtime.identity import become
from netd.supervisor.port_check import HeldAddresses
from tests.conftest import StartDaemon
from tests.support import PATIENCE_S

NOBODY = "nobody"
WEB = """
[netd]
control = "{0}/control.sock"
[listeners.web]
kind = "http"
address = "{1}"
{2}
"""


def may_run(path: Path) -> bool:
    return all(directory.stat().st_mode & stat.S_IXOTH for directory in path.parents)


pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can check as another user"),
    pytest.mark.skipif(
        not (may_run(Path(netd.__file__)) and may_run(Path(sys.executable))),
        reason="another user may not run this netd",
    ),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of the user nobody; those of tmp_path are closed to other users."""
    directory = Path(tempfile.mkdtemp(prefix="netd-check-"))
    directory.chmod(0o755)
    shutil.chown(directory, NOBODY)
    yield directory
    shutil.rmtree(directory)


def check(directory: Path, config: str, *options: str) -> subprocess.CompletedProcess[str]:
    path = directory / "netd.toml"
    path.write_text(config)
    return subprocess.run(
        [sys.executable, "-m", "netd", "check", "--config", str(path), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        cwd="/",
    )


def low_port() -> int:
    """An unused port below 1024."""
    for port in range(1023, 600, -1):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("all ports below 1024 are in use")


def test_a_port_below_1024_is_permitted_as_by_the_unit(place: Path) -> None:
    text = WEB.format(place, f"tcp://127.0.0.1:{low_port()}", "")
    found = check(place, text, "--as", NOBODY)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == f"{place}/netd.toml: 1 listener, no fault found as user {NOBODY}\n"
    assert [path.name for path in place.iterdir()] == ["netd.toml"]


def test_files_are_checked_with_the_permissions_of_the_user(place: Path) -> None:
    private = place / "private"
    private.mkdir(0o700)
    (private / "page").touch()
    log = place / "log"
    log.touch(0o600)
    config = WEB.format(
        place,
        f"unix://{private}/web.sock",
        f'access_log = "{log}"\nroutes = [{{ directory = "{private}" }}]',
    )
    assert check(place, config).returncode == 0
    found = check(place, config, "--as", NOBODY)
    assert found.returncode == os.EX_CONFIG
    for key in ("address", "access_log", "routes.0.directory"):
        assert f"listeners.web.{key}: " in found.stderr
    assert found.stderr.count("permission denied") == 3


def test_the_configuration_itself_is_read_as_the_user(place: Path) -> None:
    (place / "netd.toml").touch(0o600)
    found = check(place, WEB.format(place, "tcp://127.0.0.1:0", ""), "--as", NOBODY)
    assert found.returncode == os.EX_CONFIG
    assert "netd.toml: permission denied" in found.stderr


@pytest.mark.parametrize(
    ("owner", "fault"),
    [
        ("nobody-of-that-name", "no such user"),
        (":nobody-of-that-name", "no such group"),
        ("root", "Operation not permitted"),
    ],
)
def test_the_control_socket_is_opened_with_its_owner(place: Path, owner: str, fault: str) -> None:
    config = WEB.format(place, "tcp://127.0.0.1:0", "").replace(
        "[netd]", f'[netd]\ncontrol_owner = "{owner}"'
    )
    found = check(place, config, "--as", NOBODY)
    assert found.returncode == os.EX_CONFIG
    assert "netd.control: control socket" in found.stderr
    assert fault in found.stderr


def test_an_unknown_user_is_a_wrong_command_line(place: Path) -> None:
    found = check(place, WEB.format(place, "tcp://127.0.0.1:0", ""), "--as", "nobody-of-that-name")
    assert found.returncode == os.EX_USAGE
    assert "there is no user 'nobody-of-that-name'" in found.stderr


def test_a_history_needs_a_directory_that_the_user_can_write_to(place: Path) -> None:
    directory = place / "history"
    directory.mkdir(0o755)
    (directory / "lounge.db").touch()
    (directory / "lounge.db").chmod(0o666)
    config = WEB.format(place, "tcp://127.0.0.1:0", f'history_file = "{directory}/lounge.db"')
    found = check(place, config.replace("http", "chat"), "--as", NOBODY)
    assert found.returncode == os.EX_CONFIG
    assert f"history_file: no file can be created in {directory}" in found.stderr


def test_the_ports_of_a_daemon_that_cannot_be_reached_are_a_warning(
    place: Path, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon('[listeners.echo]\nkind = "echo"\naddress = "tcp://127.0.0.1:0"\n')
    control = place / "control.sock"
    control.symlink_to(daemon.control)
    config = place / "netd.toml"
    config.write_text(f'[netd]\ncontrol = "{control}"\n')

    assert held_by_daemon(str(config)).bound == {daemon.address("echo")}
    assert is_perhaps_in_use(config)


def test_a_file_in_the_place_of_the_control_socket_is_no_daemon(place: Path) -> None:
    (place / "control.sock").touch(0o644)  # which root owns
    config = place / "netd.toml"
    config.write_text(f'[netd]\ncontrol = "{place}/control.sock"\n')
    assert held_by_daemon(str(config)) == HeldAddresses()
    assert not is_perhaps_in_use(config)


def is_perhaps_in_use(config: Path) -> bool:
    """Whether the user nobody cannot find out which addresses the daemon of a file has."""

    def ask_as_nobody() -> int:
        become(NOBODY)
        return int(not held_by_daemon(str(config)).unknown)

    child = process.spawn(ask_as_nobody)
    select.select([child.pidfd], [], [], PATIENCE_S)
    return child.reap() == process.Exit(0, by_signal=False)

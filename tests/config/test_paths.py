from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from netd.config import paths
from netd.config.load import read_config
from netd.config.paths import client_control_path, daemon_control_path, find_config
from netd.errors import ConfigError
from netd.listeners.kinds import KINDS

WEB = '[listeners.web]\nkind = "http"\naddress = "tcp://127.0.0.1:0"\n'


def write(directory: Path, text: str) -> str:
    path = directory / "netd.toml"
    path.write_text(text)
    return str(path)


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "netd.toml"
    path.write_text(WEB, encoding="utf-8-sig")
    assert list(read_config(str(path), KINDS).listeners) == ["web"]


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"netd\.toml: no such file or directory"):
        read_config(str(tmp_path / "netd.toml"), KINDS)
    (tmp_path / "netd.toml").write_bytes(b"# fine\n# \xff\n")
    with pytest.raises(ConfigError, match=r"netd\.toml:2: is not UTF-8 text"):
        read_config(str(tmp_path / "netd.toml"), KINDS)


def test_the_users_own_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_system_config: Callable[[], None]
) -> None:
    no_system_config()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="netd config default >"):
        find_config(None)
    (tmp_path / "netd").mkdir()
    own = tmp_path / "netd" / "netd.toml"
    own.write_text(WEB)
    assert find_config(None) == str(own)
    assert find_config("/elsewhere") == "/elsewhere"


@pytest.fixture
def no_system_config() -> Callable[[], None]:
    """Skip where this machine has a netd of its own installed."""

    def skip_if_installed() -> None:
        if Path("/etc/netd.toml").exists():
            pytest.skip("/etc/netd.toml exists")

    return skip_if_installed


@pytest.mark.parametrize(
    "broken", ["", "[[[\n", "workers =", f"x = {'[' * 3000}", f"x = {'9' * 5000}"]
)
def test_the_control_socket_is_found_in_a_file_with_syntax_errors(
    tmp_path: Path, broken: str
) -> None:
    path = write(tmp_path, f'[netd]\ncontrol = "{tmp_path}/c"\n{WEB}{broken}')
    assert client_control_path(path) == f"{tmp_path}/c"


def test_without_an_option_the_users_own_daemon_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    own = tmp_path / "netd" / "control.sock"
    path = write(tmp_path, WEB)
    own.parent.mkdir()
    own.touch()
    assert client_control_path(path) == str(own)
    assert client_control_path(str(tmp_path / "none.toml")) == str(own)
    assert daemon_control_path("") in (str(own), "/run/netd/control.sock")


def test_the_users_own_file_is_not_that_of_the_systems_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(paths, "SYSTEM_CONTROL", write(tmp_path, WEB))  # any file
    monkeypatch.setattr(os, "access", lambda *_: False)
    own = f"{tmp_path}/netd/control.sock"
    assert client_control_path(f"{tmp_path}/netd/netd.toml") == own
    assert client_control_path(f"{tmp_path}/other.toml") == paths.SYSTEM_CONTROL


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def link_to_an_endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def write_10_megabytes(path: Path) -> None:
    path.write_bytes(b"#" * 10_000_000)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (make_fifo, "is not a regular file"),
        (link_to_an_endless_device, "is not a regular file"),
        (Path.mkdir, "is not a regular file|is a directory"),
        (write_10_megabytes, "has more than 1048576 bytes"),
    ],
)
def test_a_file_that_may_never_end_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None], fault: str
) -> None:
    make(tmp_path / "netd.toml")
    with pytest.raises(ConfigError, match=rf"netd\.toml: ({fault})$"):
        read_config(str(tmp_path / "netd.toml"), KINDS)
    assert client_control_path(str(tmp_path / "netd.toml"))

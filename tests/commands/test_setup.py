"""`netd setup`: what it installs and removes, and where it refuses to."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

from netd.commands import setup
from netd.commands.setup import SetupError
from netd.errors import UsageError

ROOT = Path(__file__).parents[2]
UNITS = ("service", "socket")


def run(*line: str) -> str:
    parser = argparse.ArgumentParser()
    setup.add_arguments(parser)
    return setup.set_up(parser.parse_args(line))


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command of an environment of Python that holds netd."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "opt/netd"))
    path = tmp_path / "opt/netd/bin/netd"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_files_are_installed_with_the_path_of_the_command_and_removed(
    command: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    said = run("--root", str(root), "--prefix", "/usr")
    files = [path for path in root.rglob("*") if not path.is_dir() and not path.is_symlink()]
    copies = [path for path in files if path.is_relative_to(root / "usr/share/netd")]
    assert said == f"installed {len(files) - len(copies)} files; next: systemctl enable --now netd"
    for unit in ("system/netd.service", "user/netd.service"):
        text = (root / "etc/systemd" / unit).read_text()
        assert f"ExecStart={command} run " in text
        assert "/usr/bin/netd" not in text
    assert (root / "usr/share/man/man8/netd.8").read_text().startswith(".Dd ")
    assert (root / "usr/bin/netd").readlink() == command
    assert "/usr/share/doc/netd/examples" in (root / "usr/share/man/man8/netd.8").read_text()
    assert (root / "usr/share/doc/netd/examples/netd-alerts.yml").exists()
    config = root / "etc/netd.toml"
    config.write_text("# ours\n")
    run("--root", str(root), "--prefix", "/usr")
    assert config.read_text() == "# ours\n"
    run("--root", str(root), "--prefix", "/usr", "--remove")
    assert [path for path in root.rglob("*") if not path.is_dir()] == [config]
    assert not (root / "usr/share/doc/netd").exists()


def test_manuals_name_the_files_below_the_prefix(command: Path, tmp_path: Path) -> None:
    run("--root", str(tmp_path / "root"))
    share = tmp_path / "root/usr/local/share"
    manual = (share / "man/man7/netd-admin.7").read_text()
    assert "/usr/share/doc" not in manual
    named = set(re.findall(r"(/usr/local/share/doc/netd/examples/\S+)", manual))
    assert named
    for name in named:
        assert (tmp_path / f"root/{name}".replace("\\-", "-")).exists()
    assert command.exists()


@pytest.mark.parametrize("state", ["is-active", "is-enabled"])
def test_the_files_of_a_netd_in_use_are_not_removed(
    state: str, command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    run("--root", str(root))
    monkeypatch.setattr(setup, "_has_unit", lambda asked: asked == state)
    with pytest.raises(SetupError, match="systemctl disable --now"):
        setup._uninstall(root, "usr/local", is_system=True)
    assert (root / "etc/systemd/system/netd.service").exists()
    assert command.exists()


def test_an_upgrade_is_followed_by_a_restart(
    command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs: list[str] = []
    monkeypatch.setattr(setup, "_has_unit", lambda state: state == "is-active")
    monkeypatch.setattr(setup, "_make_manuals", lambda *_: None)
    monkeypatch.setattr(setup, "_run_program", lambda line: programs.append(line[0]))
    said = setup._install(tmp_path / "root", "usr/local", is_system=True)
    assert said.endswith("; next: systemctl restart netd")
    assert programs == ["systemd-sysusers", "systemd-tmpfiles", "systemctl"]
    assert command.exists()


def test_a_command_that_the_unit_cannot_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Path
) -> None:
    monkeypatch.setattr(setup, "_HIDDEN", (f"{tmp_path}/",))
    with pytest.raises(UsageError, match=f"the unit cannot run {command}"):
        run("--root", str(tmp_path / "root"))
    command.unlink()
    with pytest.raises(UsageError, match="netd is not installed in this Python"):
        run("--root", str(tmp_path / "root"))


def test_a_link_of_another_netd_is_kept(command: Path, tmp_path: Path) -> None:
    other = tmp_path / "root/usr/local/bin/netd"
    other.parent.mkdir(parents=True)
    other.symlink_to("/opt/other/bin/netd")
    run("--root", str(tmp_path / "root"))
    run("--root", str(tmp_path / "root"), "--remove")
    assert str(other.readlink()) == "/opt/other/bin/netd"
    assert command.exists()


def test_nothing_is_written_through_a_link(command: Path, tmp_path: Path) -> None:
    device = tmp_path / "null"
    device.touch(0o666)
    unit = tmp_path / "root/etc/systemd/system/netd.service"
    unit.parent.mkdir(parents=True)
    unit.symlink_to(device)  # the unit is masked
    with pytest.raises(SetupError, match=f"{unit} is a symbolic link to {device}; remove it first"):
        run("--root", str(tmp_path / "root"))
    assert device.read_text() == ""
    assert [path for path in (tmp_path / "root").rglob("*") if not path.is_dir()] == [unit]
    assert command.exists()


def test_files_that_the_administrator_has_changed_are_not_removed(
    command: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    run("--root", str(root))
    etc = root / "etc"
    changed = [etc / "systemd/system/netd.service", etc / "systemd/system/netd.socket"]
    changed[0].write_text("[Service]\n")
    changed[1].unlink()
    changed[1].symlink_to("/dev/null")
    said = run("--root", str(root), "--remove")
    names = ", ".join(f"/{path.relative_to(root)}" for path in changed)
    assert said.endswith(f" files; kept are /etc/netd.toml, {names}")
    left = {path for path in root.rglob("*") if not path.is_dir()}
    assert left == {etc / "netd.toml", *changed}
    assert command.exists()


def test_an_edited_file_is_kept_and_others_become_those_of_the_new_version(
    command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    run("--root", str(root))
    service, socket = (root / "etc/systemd/system" / f"netd.{kind}" for kind in UNITS)
    first = socket.read_text()
    service.write_text("[Service]\n")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "opt/next"))
    command = tmp_path / "opt/next/bin/netd"
    command.parent.mkdir(parents=True)
    command.touch()

    said = run("--root", str(root))
    shipped = root / "usr/local/share/netd/etc/systemd/system/netd.service"
    assert f"kept {service}, which was edited; compare it with {shipped}\n" in said
    assert service.read_text() == "[Service]\n"
    assert f"ExecStart={command} run " in shipped.read_text()
    user_unit = (root / "etc/systemd/user/netd.service").read_text()
    assert f"ExecStart={command} run " in user_unit
    assert socket.read_text() == first

    service.write_text(shipped.read_text())  # the administrator takes the new version
    assert "kept" not in run("--root", str(root))


def test_other_users_can_read_what_is_installed(command: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    before = os.umask(0o077)
    try:
        run("--root", str(root))
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_dir()}
    assert modes == {0o755}
    assert command.exists()


def test_the_wheel_has_the_files() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included.pop("config/examples") == "netd/share/examples"
    assert all(target == f"netd/share/{source[10:]}" for source, target in included.items())
    needed = (*setup._IN_ETC, *setup._IN_SHARE, "man/generate.py", "netd.toml")
    for name in needed:
        assert (ROOT / "packaging" / name).is_file()
        assert any(f"packaging/{name}".startswith(source) for source in included), name

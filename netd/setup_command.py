"""`netd setup`: installs units, manuals and completions where no package has done so."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import netd
from netd.errors import NetdError, UsageError

_COMMANDS: Final = ("netd", "netd-chat")
_PACKAGED_COMMAND: Final = "/usr/bin/netd"  # in the units
_HIDDEN: Final = ("/home/", "/root/", "/run/user/")  # ProtectHome= of the unit
_CONFIG: Final = "etc/netd.toml"
_IN_ETC: Final = {
    "systemd/netd.service": "systemd/system/netd.service",
    "systemd/netd.socket": "systemd/system/netd.socket",
    "systemd/user/netd.service": "systemd/user/netd.service",
    "debian/netd.sysusers": "sysusers.d/netd.conf",
    "debian/netd.tmpfiles": "tmpfiles.d/netd.conf",
    "debian/netd.logrotate": "logrotate.d/netd",
}
_IN_SHARE: Final = {
    "LICENSE": "doc/netd/LICENSE",
    "fail2ban.conf": "doc/netd/examples/fail2ban.conf",
    "systemd/unprivileged.conf": "doc/netd/examples/unprivileged.conf",
    "systemd/sockets-only.conf": "doc/netd/examples/sockets-only.conf",
    "completions/bash/netd": "bash-completion/completions/netd",
    "completions/bash/netd-chat": "bash-completion/completions/netd-chat",
    "completions/zsh/_netd": "zsh/site-functions/_netd",
    "completions/zsh/_netd-chat": "zsh/site-functions/_netd-chat",
    "completions/fish/netd.fish": "fish/vendor_completions.d/netd.fish",
    "completions/fish/netd-chat.fish": "fish/vendor_completions.d/netd-chat.fish",
}
_SYSTEM_STEPS: Final = (
    ("systemd-sysusers",),
    ("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/netd.conf"),
    ("systemctl", "daemon-reload"),
)


class SetupError(NetdError):
    """A file cannot be installed, or a program of the system fails."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--prefix",
        default="/usr/local",
        metavar="DIR",
        help="the directory of manuals, completions and links (default: /usr/local)",
    )
    parser.add_argument(
        "--root",
        default="/",
        metavar="DIR",
        help="install below DIR, for a package; no program of the system is run then",
    )
    parser.add_argument("--remove", action="store_true", help="remove the installed files")


def run(arguments: argparse.Namespace) -> str:
    """Install the files, or remove them; return what was done and the command to run next.

    The configuration is installed if there is none, and never removed; files in /etc that differ
    from the installed ones, such as a unit that the administrator has edited, are not removed
    either. Raises SetupError and, if the unit could not run this netd, UsageError.
    """
    root, prefix = Path(arguments.root), arguments.prefix.strip("/")
    try:
        if arguments.remove:
            return _remove_all(root, prefix)
        installed = _install(root, prefix)
    except OSError as error:
        raise SetupError(f"{error.filename}: {error.strerror}") from error
    if arguments.root == "/":
        for step in _SYSTEM_STEPS:
            _run_program(step)
    return f"installed {installed} files; next: systemctl enable --now netd"


def _install(root: Path, prefix: str) -> int:
    command = _own_command()
    source = _source()
    with tempfile.TemporaryDirectory() as directory:
        _make_manuals(source, Path(directory))
        files = dict(_files(source, root, prefix))
        files |= {
            root / prefix / "share/man" / f"man{page.suffix[1:]}" / page.name: page
            for page in Path(directory).iterdir()
        }
        config = root / _CONFIG
        if not config.exists():
            files[config] = source / "netd.toml"
        _refuse_links(files)
        for target, path in files.items():
            text = _with_command(path, command)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            target.chmod(0o644)
    for name in _COMMANDS:
        _link(root / prefix / "bin" / name, command.with_name(name))
    return len(files)


def _with_command(path: Path, command: Path) -> str:
    """The text of a file, with the path of the command that is installed."""
    return path.read_text(encoding="utf-8").replace(_PACKAGED_COMMAND, str(command))


def _remove_all(root: Path, prefix: str) -> str:
    command = _own_command()
    sources = dict(_files(_source(), root, prefix))
    kept = [_CONFIG, "var/lib/netd"]
    removed = 0
    for target in _targets(root, prefix):
        in_etc = target.is_relative_to(root / "etc") and os.path.lexists(target)
        if in_etc and not _is_unchanged(target, _with_command(sources[target], command)):
            kept.append(str(target.relative_to(root)))
        else:
            removed += _remove(target)
    return f"removed {removed} files; kept are /{', /'.join(kept)}"


def _is_unchanged(target: Path, text: str) -> bool:
    return target.is_file() and not target.is_symlink() and target.read_bytes() == text.encode()


def _refuse_links(targets: Iterable[Path]) -> None:
    """Refuse to write through a link, as of a unit that is masked (systemctl(1)): to /dev/null."""
    for target in targets:
        if target.is_symlink():
            text = f"{target} is a symbolic link to {os.readlink(target)}; remove it first"
            raise SetupError(text)


def _targets(root: Path, prefix: str) -> Iterator[Path]:
    """Yield all files that can have been installed, except the configuration."""
    yield from dict(_files(_source(), root, prefix))
    for template in (_source() / "man").glob("*.in"):
        page = template.stem
        yield root / prefix / "share/man" / f"man{page[-1]}" / page
    for name in _COMMANDS:
        link = root / prefix / "bin" / name
        if link.is_symlink() and os.readlink(link) == str(Path(sys.prefix) / "bin" / name):
            yield link


def _files(source: Path, root: Path, prefix: str) -> Iterator[tuple[Path, Path]]:
    """Yield the place of each file, and the file to copy to it."""
    for name, place in _IN_ETC.items():
        yield root / "etc" / place, source / name
    for name, place in _IN_SHARE.items():
        yield root / prefix / "share" / place, source / name


def _source() -> Path:
    """The directory of the files: in the wheel they are in the package, in a checkout beside it."""
    package = Path(netd.__file__).parent
    in_wheel = package / "share"
    return in_wheel if in_wheel.is_dir() else package.parent / "packaging"


def _own_command() -> Path:
    """The command that units run: that of this environment of Python. Raises UsageError."""
    command = Path(sys.prefix) / "bin" / "netd"
    if not command.exists():
        raise UsageError(f"there is no {command}: netd is not installed in this Python")
    if str(command).startswith(_HIDDEN):
        advice = "install it elsewhere, as with `pipx install --global` or a venv in /opt"
        raise UsageError(f"the unit cannot run {command}: it hides {_HIDDEN[0]}; {advice}")
    return command


def _make_manuals(source: Path, directory: Path) -> None:
    _run_program((sys.executable, str(source / "man/generate.py"), str(directory)))


def _link(link: Path, command: Path) -> None:
    """Put the command in the PATH, unless there is one of this name already."""
    if not os.path.lexists(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(command)


def _remove(path: Path) -> bool:
    if not os.path.lexists(path):
        return False
    path.unlink()
    return True


def _run_program(command: tuple[str, ...]) -> None:
    if shutil.which(command[0]) is None:
        raise SetupError(f"there is no program {command[0]}; the unit needs systemd")
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (of constants)
    if outcome.returncode:
        raise SetupError(f"{command[0]}: {outcome.stderr.strip()}")

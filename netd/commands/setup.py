"""`netd setup`: installs units, manuals and completions where no package has done so."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import netd
from netd.commands.output import show
from netd.errors import NetdError, UsageError

_COMMANDS: Final = ("netd", "netd-chat")
_PACKAGED_COMMAND: Final = "/usr/bin/netd"  # in the units
_PACKAGED_DOC: Final = "/usr/share/doc/netd"  # in the manuals
_HIDDEN: Final = ("/home/", "/root/", "/run/user/")  # ProtectHome= of the unit
_CONFIG: Final = "etc/netd.toml"
_KEPT: Final = (_CONFIG, "etc/netd", "var/lib/netd", "var/log/netd")
_UNITS: Final = ("netd.service", "netd.socket")
_COPIES: Final = "share/netd"
_IN_ETC: Final = {
    "systemd/netd.service": "systemd/system/netd.service",
    "systemd/netd.socket": "systemd/system/netd.socket",
    "systemd/user/netd.service": "systemd/user/netd.service",
    "debian/netd.sysusers": "sysusers.d/netd.conf",
    "debian/netd.tmpfiles": "tmpfiles.d/netd.conf",
    "debian/netd.logrotate": "logrotate.d/netd",
}
_IN_SHARE: Final = {
    "CHANGELOG.md": "doc/netd/CHANGELOG.md",
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
_DAEMON_RELOAD: Final = ("systemctl", "daemon-reload")
_SYSTEM_STEPS: Final = (
    ("systemd-sysusers",),
    ("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/netd.conf"),
    _DAEMON_RELOAD,
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


def run(arguments: argparse.Namespace) -> int:
    """Install or remove the files."""
    show(set_up(arguments))
    return os.EX_OK


def set_up(arguments: argparse.Namespace) -> str:
    """Install the files, or remove them; return what was done and the command to run next.

    The configuration is installed if there is none, and never removed. Files in /etc that the
    administrator has edited, such as a unit, are neither replaced nor removed. Raises SetupError,
    also if a unit that is to be removed is in use, and, if the unit could not run this netd,
    UsageError.
    """
    root, prefix = Path(arguments.root), arguments.prefix.strip("/")
    act = _uninstall if arguments.remove else _install
    try:
        return act(root, prefix, is_system=arguments.root == "/")
    except OSError as error:
        raise SetupError(f"{error.filename}: {error.strerror}") from error


def _install(root: Path, prefix: str, *, is_system: bool) -> str:
    report, action = _install_files(root, prefix), "enable --now"
    if is_system:
        for step in _SYSTEM_STEPS:
            _run_program(step)
        if _has_unit("is-active"):
            action = "restart"
    return f"{report}next: systemctl {action} netd"


def _uninstall(root: Path, prefix: str, *, is_system: bool) -> str:
    if not is_system:
        return _remove_files(root, prefix)
    if _has_unit("is-active") or _has_unit("is-enabled"):
        advice = f"first run `systemctl disable --now {' '.join(_UNITS)}`"
        raise SetupError(f"netd runs, or is started at boot; {advice}")
    report = _remove_files(root, prefix)
    _run_program(_DAEMON_RELOAD)
    return f"{report}, the user netd"


def _has_unit(state: str) -> bool:
    """Whether `systemctl STATE` holds for a unit of netd, as with `is-active`."""
    command = ("systemctl", "--quiet", state, *_UNITS)
    return bool(shutil.which(command[0])) and not subprocess.run(command, check=False).returncode  # noqa: S603 (of constants)


def _install_files(root: Path, prefix: str) -> str:
    command = _own_command()
    source = _source()
    with tempfile.TemporaryDirectory() as directory, _readable_files():
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
        texts = {target: _with_paths(path, command, prefix) for target, path in files.items()}
        edited = [target for target in texts if _is_edited(target, texts[target], root, prefix)]
        for target in texts.keys() - edited:
            _write(target, texts[target])
        for target, _ in _files_in_etc(source, root):
            _write(_copy_of(target, root, prefix), texts[target])
        for name in _COMMANDS:
            _link(root / prefix / "bin" / name, command.with_name(name))
    return _report(len(files) - len(edited), edited, root, prefix)


def _report(installed: int, kept: Iterable[Path], root: Path, prefix: str) -> str:
    """The numbers for the administrator, and a line for each edited file that was kept."""
    lines = "".join(
        f"kept {target}, which was edited; compare it with {_copy_of(target, root, prefix)}\n"
        for target in kept
    )
    return f"{lines}installed {installed} files; "


@contextlib.contextmanager
def _readable_files() -> Iterator[None]:
    """Let every user read new files and directories, whatever the umask of the caller is."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    target.chmod(0o644)


def _copy_of(target: Path, root: Path, prefix: str) -> Path:
    """The file that has a file in /etc as it was installed, to find out if it was edited since."""
    return root / prefix / _COPIES / target.relative_to(root)


def _is_edited(target: Path, text: str, root: Path, prefix: str) -> bool:
    """Whether a file in /etc is neither as it was installed nor as it would be now."""
    if not target.is_relative_to(root / "etc") or not os.path.lexists(target):
        return False
    if target.is_symlink() or not target.is_file():
        return True
    copy = _copy_of(target, root, prefix)
    installed = [text.encode(), *([copy.read_bytes()] if copy.is_file() else [])]
    return target.read_bytes() not in installed


def _with_paths(path: Path, command: Path, prefix: str) -> str:
    """The text of a file, with the paths of the command and the documentation as installed."""
    text = path.read_text(encoding="utf-8").replace(_PACKAGED_COMMAND, str(command))
    return text.replace(_PACKAGED_DOC, f"/{prefix}/share/doc/netd")


def _remove_files(root: Path, prefix: str) -> str:
    command = _own_command()
    sources = dict(_files(_source(), root, prefix))
    kept = [path for path in _KEPT if (root / path).exists()]
    removed = 0
    for target in _targets(root, prefix):
        text = _with_paths(sources[target], command, prefix) if target in sources else ""
        if _is_edited(target, text, root, prefix):
            kept.append(str(target.relative_to(root)))
        else:
            removed += _remove(target)
    shutil.rmtree(root / prefix / _COPIES, ignore_errors=True)
    for directory in ("share/doc/netd/examples", "share/doc/netd"):
        with contextlib.suppress(OSError):  # one with other files stays
            (root / prefix / directory).rmdir()
    return f"removed {removed} files; kept are /{', /'.join(kept)}"


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
    yield from _files_in_etc(source, root)
    share = root / prefix / "share"
    for name, place in _IN_SHARE.items():
        yield share / place, source / name
    for example in _examples(source):
        yield share / "doc/netd/examples" / example.name, example


def _files_in_etc(source: Path, root: Path) -> Iterator[tuple[Path, Path]]:
    for name, place in _IN_ETC.items():
        yield root / "etc" / place, source / name


def _source() -> Path:
    """The directory of the files: in the wheel they are in the package, in a checkout beside it."""
    package = Path(netd.__file__).parent
    in_wheel = package / "share"
    return in_wheel if in_wheel.is_dir() else package.parent / "packaging"


def _examples(source: Path) -> Iterable[Path]:
    """The example configurations: in the wheel beside the other files, else in the checkout."""
    in_wheel = source / "examples"
    directory = in_wheel if in_wheel.is_dir() else source.parent / "config/examples"
    return sorted(path for path in directory.rglob("*") if path.is_file())


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

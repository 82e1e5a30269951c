"""Programs that tests run beside netd, and the packages of Debian and npm that install them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

PACKAGES: Final = {
    "bash": "bash",
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "curl": "curl",
    "fail2ban-regex": "fail2ban",
    "fish": "fish",
    "fsfreeze": "util-linux",
    "git": "git",
    "groff": "groff-base",
    "haproxy": "haproxy",
    "inspircd": "inspircd",
    "irssi": "irssi",
    "mandoc": "mandoc",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "nc": "netcat-openbsd",
    "ngircd": "ngircd",
    "npm": "npm",
    "openssl": "openssl",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "promtool": "prometheus",
    "redis-server": "redis-server",
    "strace": "strace",
    "systemd-nspawn": "systemd-container",
    "tmux": "tmux",
    "tsc": "node-typescript",
    "valkey-server": "valkey-server",
    "weechat-headless": "weechat-headless weechat-plugins",
    "wget": "wget",
    "zsh": "zsh",
}
_lacking: set[str] = set()
_lacking_of_npm: set[str] = set()


def missing_packages(*programs: str) -> list[str]:
    """The Debian packages that install the missing ones of the programs."""
    return sorted({PACKAGES[name] for name in programs if find(name) is None})


def find(program: str) -> str | None:
    """The path of a program; sbin is searched too, which is not in the PATH of an ordinary user."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def require(*programs: str) -> None:
    """Skip the running test unless the programs are installed; the reason names the packages."""
    if packages := missing_packages(*programs):
        _lacking.update(packages)
        pytest.skip(f"a program is not installed: apt install {' '.join(packages)}")


def require_npm(package: str, name: str) -> Path:
    """The file `name` of a package that npm has installed globally; else skip the running test."""
    require("npm")
    root = subprocess.run(["npm", "root", "--global"], capture_output=True, text=True, check=True)
    path = Path(root.stdout.strip(), package, name)
    if not path.exists():
        _lacking_of_npm.add(package)
        pytest.skip(f"a package is not installed: npm install --global {package}")
    return path


def lacking() -> tuple[list[str], list[str]]:
    """The packages of Debian and of npm without which tests were skipped in this process."""
    return sorted(_lacking), sorted(_lacking_of_npm)


def merge(packages: tuple[list[str], list[str]]) -> None:
    """Add the packages that `lacking` returned in another process."""
    _lacking.update(packages[0])
    _lacking_of_npm.update(packages[1])


def summary() -> Iterator[str]:
    """The last lines of a run that skipped tests: how to skip none."""
    if _lacking or _lacking_of_npm:
        yield "Tests were skipped because programs are not installed. To run them too:"
    if _lacking:
        yield f"    apt install {' '.join(sorted(_lacking))}"
    if _lacking_of_npm:
        yield f"    npm install --global {' '.join(sorted(_lacking_of_npm))}"

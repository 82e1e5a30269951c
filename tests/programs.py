"""Programs that tests run beside netd, and the Debian packages that install them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
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
    "groff": "groff-base",
    "haproxy": "haproxy",
    "irssi": "irssi",
    "mandoc": "mandoc",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "nc": "netcat-openbsd",
    "ngircd": "ngircd",
    "openssl": "openssl",
    "redis-server": "redis-server",
    "strace": "strace",
    "systemd-nspawn": "systemd-container",
    "tmux": "tmux",
    "tsc": "node-typescript",
    "weechat-headless": "weechat-headless weechat-plugins",
    "wget": "wget",
    "zsh": "zsh",
}
_lacking: set[str] = set()


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


def summary() -> Iterator[str]:
    """The last lines of a run that skipped tests: how to skip none."""
    if _lacking:
        yield "Tests were skipped because programs are not installed. To run them too:"
        yield f"    apt install {' '.join(sorted(_lacking))}"

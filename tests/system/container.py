"""A Debian container with a real systemd: made by mmdebstrap, booted by systemd-nspawn.

Its only network is the loopback. Packages that a test needs are installed in its root beforehand.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

from tests.programs import missing_packages
from tests.support import wait_until

PROJECT = Path(__file__).parents[2]
CACHE = PROJECT / ".cache"
_COMMON = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "curl", "netcat-openbsd", "procps"),
    *("python3", "python3-hiredis", "python3-prompt-toolkit", "python3-sdnotify"),
    *("python3-tomli-w", "python3-wsproto", "caddy", "certbot"),
)
_STARTED_BY_TESTS = ("caddy.service", "certbot.timer")
PACKAGES = {"trixie": (*_COMMON, "python3-pydantic"), "bookworm": _COMMON}
_COMMAND_S = 120.0
# The mount points of control groups: cgroup 2 alone, or the hybrid hierarchies of older systems.
_HIERARCHIES = [
    path
    for path in map(Path, ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"))
    if (path / "cgroup.procs").exists()
]
_IN_GROUPS = """
for group in $1; do mkdir -p "$group"; echo $$ >"$group/cgroup.procs"; done
shift; exec "$@"
"""
_ASKS_REBOOT = 133  # exit status of systemd-nspawn --keep-unit: start the container again


def find_obstacle() -> str:
    """Why this machine cannot run containers, and the remedy; empty if it can."""
    remedies = []
    if packages := missing_packages("mmdebstrap", "systemd-nspawn"):
        remedies.append(f"install their programs first: apt install {' '.join(packages)}")
    if os.geteuid() != 0:
        remedies.append("run them as root")
    return "; ".join(remedies)


def base_root(suite: str) -> Path:
    """The root of a suite with all packages of PACKAGES, made once and kept."""
    packages = ",".join(PACKAGES[suite])
    root = CACHE / f"system-{suite}-{hashlib.sha256(packages.encode()).hexdigest()[:8]}"
    complete = root / ".complete"
    if not complete.exists():
        shutil.rmtree(root, ignore_errors=True)
        CACHE.mkdir(exist_ok=True)
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}"]
        disable = f'chroot "$1" systemctl disable {" ".join(_STARTED_BY_TESTS)}'
        subprocess.run([*command, f"--customize-hook={disable}", suite, str(root)], check=True)
        complete.touch()
    return root


class Container:
    """A copy of a suite's root, booted; commands run in it as root."""

    def __init__(self, suite: str, directory: Path) -> None:
        self.suite = suite
        self._name = f"netd-{os.getpid()}-{id(self)}"
        self.root = directory / "root"
        self._log = (directory / "console").open("wb")
        subprocess.run(["cp", "-a", str(base_root(suite)), str(self.root)], check=True)
        self._nspawn = self._boot()
        try:
            self.await_boot()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._nspawn.poll() is None:
            self.kill()
        self._log.close()
        shutil.rmtree(self.root, ignore_errors=True)
        for hierarchy in _HIERARCHIES:
            for group in os.walk(hierarchy / self._name, topdown=False):
                with contextlib.suppress(OSError):  # an empty group that stays does no harm
                    os.rmdir(group[0])

    def await_boot(self) -> None:
        """Wait until everything that starts at boot has started."""
        states = ("running", "degraded")
        command = "systemctl is-system-running --wait"  # fails until systemd listens
        wait_until(lambda: self.try_(command).stdout.strip() in states, "boot")

    def reboot(self) -> None:
        """Restart the container's systemd and wait for it."""
        self.try_("systemctl reboot")
        assert self._nspawn.wait(_COMMAND_S) == _ASKS_REBOOT
        self._nspawn = self._boot()
        self.await_boot()

    def sh(self, script: str, stdin: str = "") -> str:
        """Run a shell script, which must succeed, and return its output."""
        done = self.try_(script, stdin)
        assert done.returncode == 0, f"{script}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def try_(self, script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a shell script; it may fail."""
        return subprocess.run(
            self.command(script),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_S,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"},
        )

    def start(self, script: str) -> subprocess.Popen[str]:
        """Run a shell script beside the test."""
        return subprocess.Popen(
            self.command(script),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def write(self, path: str, text: str) -> None:
        """Put a file into the container."""
        self.sh(f"mkdir -p $(dirname {path}) && cat > {path}", text)

    def copy_in(self, path: Path) -> str:
        """Copy a file into /srv, and return its path there."""
        shutil.copy(path, self.root / "srv" / path.name)
        return f"/srv/{path.name}"

    def property(self, name: str, unit: str = "netd.service") -> str:
        """The value of a property of a unit."""
        return self.sh(f"systemctl show --value -p {name} {unit}").strip()

    def _boot(self) -> subprocess.Popen[bytes]:
        """Boot in separate control groups: in one group two systemds manage the same units."""
        return subprocess.Popen(
            [
                *self._in_group(),
                str(PROJECT / "packaging" / "nspawn"),
                *("--quiet", "--boot", "--register=no", "--keep-unit"),
                *("--private-network", f"--machine={self._name}"),
                *("--directory", str(self.root)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def command(self, script: str) -> list[str]:
        """The command that runs a shell script in the container.

        The container's systemd refuses processes that are in none of its control groups.
        """
        return [
            *self._in_group("payload/commands"),
            *("nsenter", "-t", self.leader() or "0", "-a", "/bin/sh", "-c", script),
        ]

    def in_network(self, *command: str) -> list[str]:
        """The command of a program of this machine that runs in the container's network."""
        return ["nsenter", "-t", self.leader(), "-n", *command]

    def _in_group(self, below: str = "") -> list[str]:
        groups = " ".join(str(path / self._name / below) for path in _HIERARCHIES)
        return ["sh", "-ec", _IN_GROUPS, "sh", groups]

    def kill(self) -> None:
        """End all its processes at once, as if the machine lost its power."""
        os.kill(int(self.leader()), signal.SIGKILL)
        self._nspawn.wait(_COMMAND_S)

    def leader(self) -> str:
        """The first process of the container; empty before there is one."""
        try:
            pid = self._nspawn.pid
            return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        except (FileNotFoundError, IndexError):
            assert self._nspawn.poll() is None, "the container is gone"
            return ""

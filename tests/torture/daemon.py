"""Runs `netd run` for one test: forked from this process, which has imported netd already.

That takes a third of the time of a new interpreter. The forked process calls `netd.__main__.main`
as the command does. It ends with this process (PR_SET_PDEATHSIG), and its workers end with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn
from unittest import mock

import netd.commands.run
from netd.__main__ import main
from netd.config.address import Address
from netd.config.check import check_files
from netd.config.load import read_config
from netd.listeners.kinds import KINDS
from netd.listeners.worker import run_worker
from netd.protocols.control import ControlCommand, Reply
from netd.supervisor.control_client import send_request
from tests.gate import Gate
from tests.torture.scenario import CONTROL, configuration

_PR_SET_PDEATHSIG: Final = 1
_STATUS_S: Final = 3.0
_libc = ctypes.CDLL(None)


class Daemon:
    """A running `netd run` in a directory of its own."""

    def __init__(self, directory: Path, gate: str = "") -> None:
        """Start it. `gate` names the process that waits before it begins."""
        self.directory = directory
        self.control = str(directory / CONTROL)
        self.log = directory / "log"
        self.config = directory / "netd.toml"
        self.config.write_text(configuration(directory))
        self.reply: Reply | None = None
        """The reply to the last reload, if there was one."""
        self._gate = Gate(directory / "gate")
        self._exit: int | None = None
        if gate:
            self._gate.arm(gate)
        self.pid = os.fork()
        if self.pid == 0:
            _become_netd(self.config, self.log, self._gate)

    def arm(self, name: str) -> None:
        """Have the next process of a role wait before it begins; see `gated`."""
        self._gate.arm(name)

    def open_gate(self) -> None:
        """Let the process that waits continue."""
        self._gate.open()

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        if self._exit is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._exit = os.waitstatus_to_exitcode(status)
        return self._exit

    def await_exit(self, within_s: float) -> int | None:
        """The exit status, or None if it runs for longer."""
        wait_for(lambda: self.poll() is not None, within_s)
        return self._exit

    def signal(self, signum: signal.Signals) -> None:
        """Send the supervisor a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def status(self, timeout_s: float = _STATUS_S) -> dict[str, Any]:
        """The status. Raises NetdError."""
        return send_request(self.control, ControlCommand.STATUS, timeout_s).body

    def reload(self, timeout_s: float) -> Reply:
        """Reload, and keep the reply. Raises NetdError if there is none."""
        self.reply = None
        self.reply = send_request(self.control, ControlCommand.RELOAD, timeout_s)
        return self.reply

    def addresses(self, name: str) -> list[Address]:
        """The addresses that a listener is bound to."""
        listeners = self.status()["listeners"]
        return [
            Address.parse(text)
            for listener in listeners
            if listener["name"] == name
            for text in listener["addresses"]
        ]

    def gated(self, within_s: float) -> int | None:
        """The process that waits at its gate, or None if none arrives in time."""
        wait_for(self._gate.waiting, within_s)
        return self._gate.waiting() or None

    def end(self) -> None:
        """Kill the daemon in any state, and all processes that are left."""
        self._gate.disarm()
        others = [(pid, _started_at(pid)) for pid in descendants(self.pid)]
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.await_exit(10)
        for pid, started_at in others:
            if is_alive(pid) and _started_at(pid) == started_at:  # the number is not used again
                os.kill(pid, signal.SIGKILL)


def _become_netd(config: Path, log: Path, gate: Gate) -> NoReturn:
    status = os.EX_SOFTWARE
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(1, 2)
        os.closerange(3, 1024)
        _install_gates(gate)
        sys.argv = ["netd", "run", "--config", str(config)]
        gate.wait("supervisor")
        main()
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else os.EX_SOFTWARE
    except BaseException:  # noqa: BLE001 (as the interpreter does for the command)
        sys.excepthook(*sys.exc_info())
        status = 1
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _install_gates(gate: Gate) -> None:
    """Have the subprocess that reads the configuration, and each worker, pass the gate first."""
    load = netd.commands.run.load

    def gated_load(path: str) -> Any:
        gate.wait("reader")
        return load(path)

    def gated_run_worker(*arguments: Any) -> None:
        gate.wait(comm(os.getpid()).removeprefix("netd: "))
        run_worker(*arguments)

    mock.patch("netd.commands.run.load", gated_load).start()
    mock.patch("netd.supervisor.worker_process.run_worker", gated_run_worker).start()


def warm_up(directory: Path) -> None:
    """Load the services, and read a configuration once: every forked daemon has that then."""
    for kind in KINDS.values():
        kind.load_service()
    path = directory / "netd.toml"
    path.write_text(configuration(directory))
    read_config(str(path), KINDS, lambda config, source: check_files(config, source, KINDS))


def wait_for(condition: Callable[[], object], within_s: float) -> bool:
    """Look two hundred times a second; whether the condition came true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def comm(pid: int) -> str:
    """The name of a process, as `ps` shows it; empty if it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _started_at(pid: int) -> str:
    return _stat(pid)[-1]


def _stat(pid: int) -> list[str]:
    """Fields 3 to 22 of proc_pid_stat(5), the state to the start time; [""] if it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[:20]
    return [""]


def is_alive(pid: int) -> bool:
    """True until a process ends."""
    return _state(pid) not in ("", "Z", "X")


def children(pid: int) -> list[int]:
    """The live child processes of a process, in the order of their start."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [child for child in map(int, text.split()) if is_alive(child)]


def descendants(pid: int) -> list[int]:
    """The live children of a process, and theirs."""
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def descriptors(pid: int) -> int:
    """How many descriptors a process has open; 0 if it has ended.

    Memory files do not count: a chat worker and the supervisor have one for the latest snapshot.
    """
    count = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                count += "memfd:" not in os.readlink(entry.path)
    return count

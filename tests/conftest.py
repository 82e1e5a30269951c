"""Fixtures that start a worker or a daemon and end it, and skips that name what to install."""

from __future__ import annotations

import gc
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from netd.listeners.kind import AnyKind
from tests import programs
from tests.played_systemd import ManagedDaemon
from tests.support import Daemon, WorkerUnderTest

settings.register_profile(  # a busy machine is slow
    "explore", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("netd", settings.get_profile("explore"), derandomize=True)
settings.load_profile("netd")

StartWorker = Callable[..., WorkerUnderTest]
StartDaemon = Callable[..., Daemon]
StartManaged = Callable[..., ManagedDaemon]

_MANY_DESCRIPTORS = 4096


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes that tests start find compiled modules, and not ignore SIGINT.

    With PYTHONDONTWRITEBYTECODE, which images of containers often set, each of the hundreds of
    processes would compile all of netd. A shell without job control has its background processes
    ignore SIGINT, and a process inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = str(config.rootpath / ".cache" / "pycache")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the tests of a folder in several processes; `-n 0` runs them in one.

    There is one process more than CPUs: most tests wait more than they compute, but several
    browsers at once, beside the system tests, take longer than a test waits.
    """
    option = config.option
    is_one_of_several = hasattr(config, "workerinput")  # whose option is None, too
    may_choose = getattr(option, "numprocesses", 0) is None and not is_one_of_several
    if may_choose and _runs_many_tests(config):
        option.numprocesses = len(os.sched_getaffinity(0)) + 1
        option.dist = "worksteal"


def _runs_many_tests(config: pytest.Config) -> bool:
    """Whether the processes are worth their start: not for one file, or one test under a debugger.

    The system tests share containers, which one process boots.
    """
    option = config.option
    is_repeated = getattr(option, "lf", False)  # which `-p no:cacheprovider` does not have
    chosen = option.keyword or option.collectonly or is_repeated or option.markexpr == "system"
    in_sight = option.usepdb or option.capture == "no"
    return not chosen and not in_sight and all(map(os.path.isdir, config.args))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over which programs a process did not find."""
    programs.merge(getattr(node, "workeroutput", {}).get("lacking", ([], [])))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the first process know which programs this one did not find."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["lacking"] = programs.lacking()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose `needs` marker names a program that is not installed."""
    for marker in item.iter_markers("needs"):
        programs.require(*marker.args)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """End the run with the Debian packages that would let the skipped tests run."""
    yield  # pytest's own summary
    for line in programs.summary():
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(autouse=True)
def collect_what_is_left_open() -> Iterator[None]:
    """Collect the garbage of a test that leaves descriptors open.

    If a socket or a file in a cycle was not closed, the warning fails this test, and not the one in
    which the next collection happens to be.
    """
    before = set(os.listdir("/proc/self/fd"))
    yield
    if set(os.listdir("/proc/self/fd")) - before:
        gc.collect()


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Raise the soft limit on open files for one test; a login's is usually 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _MANY_DESCRIPTORS:
        pytest.skip(f"needs {_MANY_DESCRIPTORS} open files; `ulimit -Hn` allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _MANY_DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def start_worker() -> Iterator[StartWorker]:
    """Start workers of a kind: `start_worker(KIND, {"tag": True}, ["tcp://127.0.0.1:0"])`."""
    started: list[WorkerUnderTest] = []

    def start(kind: AnyKind, options: dict[str, Any], addresses: list[str]) -> WorkerUnderTest:
        worker = WorkerUnderTest(kind, options, addresses)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.close()


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """Start `netd run` on a configuration's text and wait until it serves."""
    started: list[Daemon] = []

    def start(config: str, environ: dict[str, str] | None = None, *, ready: bool = True) -> Daemon:
        directory = tmp_path / f"netd{len(started)}"
        directory.mkdir()
        daemon = Daemon(directory, config, environ)
        started.append(daemon)
        if ready:
            daemon.await_ready()
        return daemon

    yield start
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
        daemon.print_log()


@pytest.fixture
def start_managed(tmp_path: Path) -> Iterator[StartManaged]:
    """Start `netd run` under a played systemd, and wait until it is ready.

    Further arguments by name are attributes of `PlayedSystemd`: `max_stored=8`.
    """
    started: list[ManagedDaemon] = []

    def start(config: str, *, module: str = "netd", **unit_options: object) -> ManagedDaemon:
        directory = tmp_path / f"managed{len(started)}"
        directory.mkdir()
        daemon = ManagedDaemon(directory, config, module=module)
        started.append(daemon)
        for name, value in unit_options.items():
            setattr(daemon.systemd, name, value)
        daemon.systemd.start()
        return daemon

    yield start
    for daemon in started:
        daemon.systemd.close()
        daemon.print_log()

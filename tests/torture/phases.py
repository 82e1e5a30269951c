"""The phases of a daemon's life that failures are injected into, and the processes of each role."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from netd.errors import NetdError
from tests.torture.clients import HttpClient, LostError, new_clients
from tests.torture.daemon import Daemon, children, comm, wait_for
from tests.torture.scenario import LISTENERS, MOVED_CONTROL, Variant, configuration

SUPERVISOR: Final = "supervisor"
READER: Final = "reader"
SLOT: Final = "slot"
ROLES: Final = (SUPERVISOR, READER, *LISTENERS, SLOT)

_START_S: Final = 20.0  # more than start_timeout and the drain of a start that fails
_STOP_S: Final = 6.0
_REPLY_S: Final = 8.0  # more than start_timeout, after which a reload is refused
_REACTION_S: Final = 1.5
_SETTLE_S: Final = 0.05
_TICK_S: Final = 1.2  # longer than the supervisor's and the workers' ticks


@dataclass(frozen=True, slots=True)
class Phase:
    """`act` drives the daemon through the phase; it returns when the phase is over."""

    name: str
    act: Callable[[Daemon], object]
    role_is_gated: bool = False  # the process begins in this phase, and is traced from its start
    consumes: bool = False  # the daemon cannot be used for another case
    is_start: bool = False
    is_stop: bool = False
    is_reload: bool = False
    ends: Sequence[str] = ()  # the listeners whose workers the phase itself ends


def serves(daemon: Daemon) -> bool:
    """Whether every worker serves."""
    try:
        listeners = daemon.status()["listeners"]
    except NetdError:
        return False
    workers = [worker for listener in listeners for worker in listener["workers"]]
    return bool(workers) and all(worker["state"] == "serving" for worker in workers)


def _await_start(daemon: Daemon) -> None:
    wait_for(lambda: daemon.poll() is not None or serves(daemon), _START_S)


def _idle(_daemon: Daemon) -> None:
    time.sleep(_TICK_S)


def _ask_status(daemon: Daemon) -> None:
    with contextlib.suppress(NetdError):
        daemon.status()


def _log_report(daemon: Daemon) -> None:
    _signal_and_await_log(daemon, signal.SIGUSR1, "web: serving")


def _hang_up(daemon: Daemon) -> None:
    _signal_and_await_log(daemon, signal.SIGHUP, "reload")


def _signal_and_await_log(daemon: Daemon, signum: signal.Signals, text: str) -> None:
    before = len(daemon.log.read_text())
    daemon.signal(signum)
    wait_for(lambda: text in daemon.log.read_text()[before:] or daemon.poll(), _REACTION_S)
    time.sleep(_SETTLE_S)


def _get_status_route(daemon: Daemon) -> None:
    with contextlib.suppress(OSError, LostError, NetdError):
        client = HttpClient("web", daemon.addresses("web")[0], timeout_s=1)
        with contextlib.closing(client):
            client.get_status()


def _serve(daemon: Daemon) -> None:
    """Have a new client of every address make two requests."""
    with contextlib.suppress(OSError, LostError, NetdError), new_clients(daemon, 1) as clients:
        for client in 2 * clients:
            with contextlib.suppress(OSError, LostError):
                client.exchange()
    _get_status_route(daemon)


def _reload(daemon: Daemon, variant: Variant) -> None:
    daemon.config.write_text(configuration(daemon.directory, variant))
    with contextlib.suppress(NetdError):
        reply = daemon.reload(_REPLY_S)
        if not reply.error and variant is Variant.CONTROL:
            daemon.control = str(daemon.directory / MOVED_CONTROL)


def _kill_worker(daemon: Daemon) -> None:
    """Kill the worker of `web`, and wait for its successor."""
    wait_for(lambda: processes(daemon, "web"), _REACTION_S)  # the kernel can miss a child
    [old] = processes(daemon, "web")
    os.kill(old, signal.SIGKILL)

    def is_replaced() -> bool:
        return any(comm(pid) == "netd: web" and pid != old for pid in children(daemon.pid))

    wait_for(lambda: is_replaced() or daemon.poll() is not None, _REACTION_S)
    time.sleep(2 * _SETTLE_S)


def _stop(daemon: Daemon) -> None:
    daemon.signal(signal.SIGTERM)
    daemon.await_exit(_STOP_S)


_START = Phase("start", _await_start, role_is_gated=True, consumes=True, is_start=True)
_SERVE = Phase("serve", _serve)
_LIVE = Phase("live", partial(_reload, variant=Variant.LIVE), is_reload=True)
_STOP = Phase("stop", _stop, consumes=True, is_stop=True)

_OF_SUPERVISOR = (
    _START,
    Phase("idle", _idle),
    Phase("status", _ask_status),
    Phase("report", _log_report),
    Phase("hup", _hang_up),
    Phase("serve", _get_status_route),
    _LIVE,
    Phase("workers", partial(_reload, variant=Variant.WORKERS), consumes=True, is_reload=True),
    Phase("control", partial(_reload, variant=Variant.CONTROL), is_reload=True),
    Phase("refused", partial(_reload, variant=Variant.SYNTAX), is_reload=True),
    Phase("taken", partial(_reload, variant=Variant.TAKEN), is_reload=True),
    Phase("kill", _kill_worker, consumes=True, ends=("web",)),
    _STOP,
)
_OF_READER = (_START, Phase("live", _LIVE.act, role_is_gated=True, is_reload=True))
_OF_WORKER = (_START, _SERVE, _LIVE, _STOP)

PHASES: Final[dict[str, dict[str, Phase]]] = {
    SUPERVISOR: {phase.name: phase for phase in _OF_SUPERVISOR},
    READER: {phase.name: phase for phase in _OF_READER},
    **{name: {phase.name: phase for phase in _OF_WORKER} for name in LISTENERS},
    SLOT: {phase.name: phase for phase in (_SERVE, _STOP)},
}


def processes(daemon: Daemon, role: str) -> list[int]:
    """The processes of a role: the supervisor, the worker of a listener, or the slots of echo."""
    if role == SUPERVISOR:
        return [daemon.pid]
    name = "echo" if role == SLOT else role
    workers = [pid for pid in children(daemon.pid) if comm(pid) == f"netd: {name}"]
    if role == SLOT:
        return [slot for worker in workers for slot in children(worker)]
    return workers

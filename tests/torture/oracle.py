"""Decides after a failure whether the daemon is as it was before it."""

from __future__ import annotations

import contextlib
import enum
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from netd.errors import NetdError
from tests.torture.clients import Client, LostError, close_all, connect_all, new_clients
from tests.torture.daemon import (
    Daemon,
    children,
    comm,
    descendants,
    descriptors,
    is_alive,
    wait_for,
)
from tests.torture.scenario import DRAIN_S, MOVED_CONTROL, configuration

WHOLE_S: Final = 8.0
_VANISH_S: Final = 3.0
_STOP_S: Final = DRAIN_S + 4.0
_SLOT_DESCRIPTORS: Final = 16  # a pool of slots may have a few more or fewer than before
_START_FAILURES: Final = (69, 71, 78)
_NO_CAUSE: Final = re.compile(
    r"exit status 70$|no answer within .* from .*\(pid \d+\)(?:;|$)|internal error", re.MULTILINE
)
_RECORD: Final = re.compile(r"^\d\d:\d\d:\d\d netd\[(\d+)\]", re.MULTILINE)


class Outcome(enum.Enum):
    """How a case ended; the last ones are failures."""

    WHOLE = "whole"
    GUARDED = "guarded"  # whole, by the guard of the supervisor's loop, which logged the error
    REPLACED = "worker replaced"  # and clients of that worker were disconnected
    REFUSED = "start refused"  # with a message and an exit status
    KILLED = "killed whole"  # the supervisor was killed, and no process was left
    UNSTEADY = "unsteady"  # a failure that was not seen again
    NOT_REACHED = "not reached"  # the call was not made this time
    DIED = "SUPERVISOR DIED"
    HUNG = "HUNG"  # no status, or no end after TERM
    BROKEN = "NOT WHOLE"  # something does not serve any more, or is left over
    LOST = "CLIENT LOST"
    TRACEBACK = "TRACEBACK"  # of the supervisor
    EXIT = "WRONG EXIT"
    UNCLEAR = "NO CAUSE"  # a reload was refused without the reason

    @property
    def is_failure(self) -> bool:
        """Whether the daemon is at fault."""
        return self.value.isupper()


class TortureError(Exception):
    """The daemon is not as it should be."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


@dataclass(slots=True)
class Baseline:
    """The values that are compared: clients with open connections, workers, descriptors."""

    clients: list[Client] = field(default_factory=list)
    workers: dict[str, list[int]] = field(default_factory=dict)
    descriptors: dict[int, int] = field(default_factory=dict)
    log_size: int = 0

    @classmethod
    def of(cls, daemon: Daemon) -> Baseline:
        """Count, and connect the clients. Raises TortureError."""
        try:
            workers = _workers(daemon)
            with new_clients(daemon, 5.0):
                pass  # what a worker opens at its first connection is open from now on
            _await_steady(daemon)
            pids = [daemon.pid, *(pid for of_listener in workers.values() for pid in of_listener)]
            counts = {pid: descriptors(pid) for pid in pids}
            clients = connect_all(daemon)
            for client in clients:
                client.exchange()
        except (OSError, LostError, NetdError) as error:
            raise TortureError(
                Outcome.BROKEN, f"a healthy daemon does not serve: {error}"
            ) from error
        log_size = len(daemon.log.read_text(errors="replace"))
        return cls(clients, workers, counts, log_size)

    def lost_clients(self) -> dict[str, str]:
        """The listeners whose clients did not get exactly their bytes, with the error."""
        lost: dict[str, str] = {}
        for client in self.clients:
            try:
                client.exchange()
            except (OSError, LostError) as error:
                lost[client.listener] = str(error)
        return lost

    def close(self) -> None:
        """Close the clients' connections."""
        close_all(self.clients)


def check_lives(daemon: Daemon) -> None:
    """The supervisor lives."""
    if daemon.poll() is not None:
        raise TortureError(Outcome.DIED, f"the supervisor ended: {daemon.poll()}")


def check_vanished(pids: list[int]) -> None:
    """All of these processes end by themselves, soon."""
    if not wait_for(lambda: not any(map(is_alive, pids)), _VANISH_S):
        left = [pid for pid in pids if is_alive(pid)]
        raise TortureError(Outcome.BROKEN, f"processes are left over: {left}")


def check_start_failure(daemon: Daemon) -> Outcome:
    """A daemon that did not start: one line has the reason, and the exit status its kind."""
    log = daemon.log.read_text(errors="replace")
    if "Traceback" in _outside_workers(log, daemon.pid):
        raise TortureError(Outcome.TRACEBACK, f"exit {daemon.poll()} at the start with a traceback")
    if daemon.poll() not in _START_FAILURES:
        raise TortureError(Outcome.EXIT, f"exit {daemon.poll()} at the start")
    if not log.strip():
        raise TortureError(Outcome.EXIT, "the start failed without a message")
    return Outcome.REFUSED


def check_reply(daemon: Daemon, *, is_due: bool) -> None:
    """The reload was answered, and if it was refused, the reply has the cause."""
    if daemon.reply is None:
        if is_due:
            raise TortureError(Outcome.HUNG, "the reload got no reply")
    elif _NO_CAUSE.search(daemon.reply.error):
        raise TortureError(Outcome.UNCLEAR, f"a reload is refused: {daemon.reply.error}")


def check_whole(daemon: Daemon, baseline: Baseline) -> None:
    """Within WHOLE_S the daemon is as before: status, listeners, processes, descriptors."""
    _restore_configuration(daemon)
    _retry(lambda: _check_once(daemon, baseline), time.monotonic() + WHOLE_S)


def judge_lost(
    daemon: Daemon, baseline: Baseline, lost: dict[str, str], *, excused: tuple[str, ...]
) -> Outcome:
    """A client may be lost with its worker, or if its own process was the one that failed."""
    workers = _workers(daemon)
    outcome = Outcome.WHOLE
    for listener, error in lost.items():
        if listener in excused:
            continue
        if set(workers[listener]) >= set(baseline.workers[listener]):
            raise TortureError(Outcome.LOST, f"{listener}: {error}")
        outcome = Outcome.REPLACED
    return outcome


def check_log(daemon: Daemon, baseline: Baseline) -> str:
    """No traceback is the supervisor's; returns the first error that the loop's guard logged."""
    log = daemon.log.read_text(errors="replace")[baseline.log_size :]
    if "Traceback" in (text := _outside_workers(log, daemon.pid)):
        errors = re.findall(r"^ *([\w.]*(?:Error|Interrupt|Exit)\b.*)", text, re.MULTILINE)
        raise TortureError(Outcome.TRACEBACK, errors[-1] if errors else "see the log")
    # strace that detaches in the middle of an injected error leaves ENOSYS (38) in its place.
    guarded = re.search(r"unexpected error at (?!.*Errno 38\b).*", text)
    return guarded[0] if guarded else ""


def check_stop(daemon: Daemon, pids: list[int]) -> None:
    """A daemon that was stopped has ended with success, and nothing is left."""
    if daemon.poll() is None:
        raise TortureError(Outcome.HUNG, f"it runs {_STOP_S:g} s after TERM")
    if daemon.poll() != 0:
        raise TortureError(Outcome.EXIT, f"exit {daemon.poll()} after TERM")
    check_vanished(pids)


def stop(daemon: Daemon) -> None:
    """Stop the daemon with TERM, and check how it ends."""
    pids = descendants(daemon.pid)
    daemon.signal(signal.SIGTERM)
    daemon.await_exit(_STOP_S)
    check_stop(daemon, pids)


def has_restarts(daemon: Daemon) -> bool:
    """Whether a worker was started again: a next one would be started with a delay."""
    try:
        listeners = daemon.status()["listeners"] if daemon.poll() is None else []
    except NetdError:
        return True
    return any(worker["restarts"] for listener in listeners for worker in listener["workers"])


def _workers(daemon: Daemon) -> dict[str, list[int]]:
    return {
        listener["name"]: [worker["pid"] for worker in listener["workers"]]
        for listener in daemon.status()["listeners"]
    }


def _await_steady(daemon: Daemon) -> None:
    """Wait until the connections that were just closed are closed on the daemon's side too."""
    pids = [daemon.pid, *children(daemon.pid)]
    last: list[int] = []

    def is_steady() -> bool:
        nonlocal last
        time.sleep(0.02)
        counts, last = last, [descriptors(pid) for pid in pids]
        return counts == last

    wait_for(is_steady, 1)


def _restore_configuration(daemon: Daemon) -> None:
    """Reload the first configuration, if another one is in the file; a reload is possible again."""
    text = configuration(daemon.directory)
    if daemon.config.read_text() == text:
        return
    daemon.config.write_text(text)

    def reload() -> None:
        _find_control(daemon)
        try:
            reply = daemon.reload(WHOLE_S)
        except NetdError as error:
            raise TortureError(Outcome.HUNG, f"a later reload gets no reply: {error}") from error
        if reply.error:
            raise TortureError(Outcome.BROKEN, f"a later reload is refused: {reply.error}")

    _retry(reload, time.monotonic() + WHOLE_S)
    daemon.control = daemon.control.replace(MOVED_CONTROL, "control")


def _find_control(daemon: Daemon) -> None:
    """The control socket: after a reload without a reply it may have moved, or not."""
    first = str(daemon.directory / "control")
    for path in (first, str(daemon.directory / MOVED_CONTROL)):
        daemon.control = path
        with contextlib.suppress(NetdError):
            daemon.status(timeout_s=1)
            return


def _check_once(daemon: Daemon, baseline: Baseline) -> None:
    if daemon.poll() is not None:
        raise TortureError(Outcome.DIED, f"the supervisor ended later: {daemon.poll()}")
    try:
        status = daemon.status()
    except NetdError as error:
        raise TortureError(Outcome.HUNG, f"no status: {error}") from error
    listeners = status["listeners"]
    states = {worker["state"] for listener in listeners for worker in listener["workers"]}
    if states != {"serving"} or [entry["name"] for entry in listeners] != list(baseline.workers):
        summary = {entry["name"]: [w["state"] for w in entry["workers"]] for entry in listeners}
        raise TortureError(Outcome.BROKEN, f"the listeners are {summary}")
    named = {worker["pid"] for listener in listeners for worker in listener["workers"]}
    if named != set(present := children(daemon.pid)):
        raise TortureError(Outcome.BROKEN, f"status names {named}, the processes are {present}")
    try:
        with new_clients(daemon, 1.0) as clients:
            for client in clients:
                client.exchange()
    except (OSError, LostError, NetdError) as error:
        raise TortureError(Outcome.BROKEN, f"{status['state']}, but {error}") from error
    time.sleep(0.01)
    _check_descriptors(daemon, baseline)


def _check_descriptors(daemon: Daemon, baseline: Baseline) -> None:
    of_pools = {pid for name in ("echo", "thread") for pid in baseline.workers[name]}

    def check() -> None:
        for pid, before in baseline.descriptors.items():
            slack = _SLOT_DESCRIPTORS if pid in of_pools else 0
            if (now := descriptors(pid)) > before + slack:
                role = "supervisor" if pid == daemon.pid else comm(pid)
                raise TortureError(Outcome.BROKEN, f"{role}: {now} descriptors, {before} before")

    _retry(check, time.monotonic() + 1.0)


def _retry(check: Callable[[], None], deadline: float) -> None:
    """Check again and again; raise the last error once the time is over."""
    while True:
        try:
            return check()
        except TortureError as error:
            if time.monotonic() > deadline or error.outcome is Outcome.DIED:
                raise
        time.sleep(0.05)


_NO_WAKEUP: Final = re.compile(
    r"Exception ignored when trying to write to the signal wakeup fd:\n(?:(?!\d\d:).*\n)*"
)  # by the interpreter itself; the signal is handled all the same


def _outside_workers(log: str, supervisor: int) -> str:
    """The log without the records of other processes than the supervisor."""
    kept = []
    is_workers = is_thread = False
    for line in _NO_WAKEUP.sub("", log).splitlines():
        if (match := _RECORD.match(line)) is not None:
            is_workers, is_thread = int(match[1]) != supervisor, False
        elif line.startswith("Exception in thread"):  # the supervisor has no thread
            is_workers = is_thread = True
        elif not line.startswith(" ") and not is_thread:
            is_workers = False
        if not is_workers:
            kept.append(line)
    return "\n".join(kept)

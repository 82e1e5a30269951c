"""Runs cases: starts a daemon, drives it through a phase under strace, and judges the result."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.torture import oracle
from tests.torture.case import KILL, Case
from tests.torture.daemon import Daemon, descendants, wait_for, warm_up
from tests.torture.oracle import Baseline, Outcome, TortureError
from tests.torture.phases import PHASES, READER, SLOT, SUPERVISOR, Phase, processes, serves
from tests.torture.strace import AttachError, Strace

_START_S: Final = 20.0
_GATE_S: Final = 10.0
_LOG_LINES: Final = 25


@dataclass(frozen=True, slots=True)
class Result:
    """How a case ended; the end of the log if it failed, be it only the first time."""

    case: Case
    outcome: Outcome
    detail: str = ""
    log: str = ""


class Runner:
    """Runs cases one after another in a temporary directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._daemon: Daemon | None = None
        self._cases_of_daemon: list[Case] = []
        self._number = 0
        warm_up(directory)

    def calls(self, role: str, phase: Phase) -> Mapping[str, Sequence[int]]:
        """The system calls that a process of a role makes in a phase: their numbers by kind."""
        self._discard()
        output = self._directory / "calls"
        output.unlink(missing_ok=True)
        daemon = self._new_daemon(role if phase.is_start else "", ready=not phase.is_start)
        baseline = Baseline() if phase.is_start else Baseline.of(daemon)
        try:
            with _traced(daemon, role, phase, output) as (pids, strace):
                pass
            return strace.calls(pids)
        finally:
            baseline.close()
            daemon.end()

    def run(self, cases: Iterable[Case]) -> Iterator[Result]:
        """Run cases of one role and phase.

        A daemon that is whole after a case serves the next one too. A failure counts if it is seen
        on a new daemon; otherwise the case is unsteady.
        """
        for case in cases:
            result = self.run_one(case)
            yield self._confirm(result) if result.outcome.is_failure else result
        yield from self._stop_shared()

    def _confirm(self, failure: Result) -> Result:
        again = self.run_one(failure.case, anew=True)
        if again.outcome.is_failure:
            return again
        detail = f"{failure.outcome.value} the first time: {failure.detail}"
        return Result(failure.case, Outcome.UNSTEADY, detail, failure.log)

    def run_one(self, case: Case, *, anew: bool = False) -> Result:
        """Run a case, on a new daemon if `anew`."""
        phase = PHASES[case.role][case.phase]
        if anew or phase.is_start or self._daemon is None:
            self._discard()
            gate = case.role if phase.is_start else ""
            self._daemon = self._new_daemon(gate, ready=not phase.is_start)
        daemon = self._daemon
        self._cases_of_daemon.append(case)
        try:
            outcome, detail = _torture(daemon, case, phase, self._directory / "trace")
            is_whole = outcome in (Outcome.WHOLE, Outcome.GUARDED, Outcome.NOT_REACHED)
            is_last = anew or phase.consumes or not is_whole or oracle.has_restarts(daemon)
            if is_last and daemon.poll() is None:
                oracle.stop(daemon)
        except TortureError as error:
            outcome, detail, is_last = error.outcome, str(error), True
        log = _tail(daemon.log) if outcome.is_failure else ""
        if is_last:
            self._discard()
        return Result(case, outcome, detail, log)

    def close(self) -> None:
        """End the present daemon."""
        self._discard()

    def _stop_shared(self) -> Iterator[Result]:
        """Stop the present daemon; if that fails, find the case after which it does."""
        daemon, self._daemon = self._daemon, None
        cases, self._cases_of_daemon = self._cases_of_daemon, []
        if daemon is None:
            return
        try:
            oracle.stop(daemon)
        except TortureError:
            daemon.end()
            for case in cases:
                result = self.run_one(case, anew=True)
                if result.outcome.is_failure:
                    yield result
        finally:
            daemon.end()

    def _discard(self) -> None:
        if self._daemon is not None:
            self._daemon.end()
            self._daemon = None
        self._cases_of_daemon = []

    def _new_daemon(self, gate: str, *, ready: bool) -> Daemon:
        self._number += 1
        directory = self._directory / str(self._number)
        directory.mkdir()
        shutil.rmtree(self._directory / str(self._number - 1), ignore_errors=True)
        daemon = Daemon(directory, gate)
        if ready and not wait_for(lambda: serves(daemon), _START_S):
            daemon.end()
            raise TortureError(
                Outcome.BROKEN, f"a healthy daemon does not start: {_tail(daemon.log)}"
            )
        return daemon


@contextmanager
def _traced(
    daemon: Daemon, role: str, phase: Phase, output: Path, case: Case | None = None
) -> Iterator[tuple[Sequence[int], Strace]]:
    """Drive the daemon through a phase with the processes of a role under strace.

    The body of the context runs when the phase is over, before strace detaches.
    """
    acting = threading.Thread(target=phase.act, args=(daemon,))
    if phase.role_is_gated and not phase.is_start:
        daemon.arm(role)
    if phase.role_is_gated:
        acting.start()
        pid = daemon.gated(_GATE_S)
        pids = [pid] if pid is not None else []
    else:
        pids = processes(daemon, role)
    call, inject = (case.call, case.injection) if case else ("", "")
    try:
        with Strace(pids, output, call=call, inject=inject, threads=role == "thread") as strace:
            if phase.role_is_gated:
                daemon.open_gate()
                acting.join()
            else:
                phase.act(daemon)
            yield pids, strace
    finally:
        if phase.role_is_gated:
            acting.join()


def _torture(daemon: Daemon, case: Case, phase: Phase, output: Path) -> tuple[Outcome, str]:
    """Run one case; returns its outcome with details. Raises TortureError if it is a failure."""
    output.unlink(missing_ok=True)
    baseline = Baseline() if phase.is_start else Baseline.of(daemon)
    try:
        pids_before = descendants(daemon.pid)
        try:
            with _traced(daemon, case.role, phase, output, case) as (_, strace):
                pass
        except AttachError:
            return Outcome.NOT_REACHED, ""
        reached = strace.has_injected
        outcome, guarded = _judge(daemon, case, phase, baseline, pids_before)
        if not reached:
            return Outcome.NOT_REACHED, ""
        if guarded and outcome is Outcome.WHOLE:
            outcome = Outcome.GUARDED
        return outcome, guarded
    finally:
        baseline.close()


def _judge(
    daemon: Daemon, case: Case, phase: Phase, baseline: Baseline, pids_before: list[int]
) -> tuple[Outcome, str]:
    killed = case.role == SUPERVISOR and case.error == KILL
    if killed and daemon.poll() is not None:
        oracle.check_vanished(pids_before)
        return Outcome.KILLED, ""
    if phase.is_start:
        return _judge_start(daemon)
    if phase.is_stop:
        oracle.check_stop(daemon, pids_before)
        return Outcome.WHOLE, oracle.check_log(daemon, baseline)
    oracle.check_lives(daemon)
    if phase.is_reload:
        oracle.check_reply(daemon, is_due=case.role != SUPERVISOR)
    lost = baseline.lost_clients()
    baseline.close()
    oracle.check_whole(daemon, baseline)
    guarded = oracle.check_log(daemon, baseline)
    return oracle.judge_lost(daemon, baseline, lost, excused=_disturbed(case, phase)), guarded


def _judge_start(daemon: Daemon) -> tuple[Outcome, str]:
    if daemon.poll() is not None:
        return oracle.check_start_failure(daemon), ""
    baseline = Baseline.of(daemon)
    baseline.close()
    oracle.check_whole(daemon, baseline)
    baseline.log_size = 0
    guarded = oracle.check_log(daemon, baseline)
    oracle.stop(daemon)
    return Outcome.WHOLE, guarded


def _disturbed(case: Case, phase: Phase) -> tuple[str, ...]:
    """The listeners whose clients may be disconnected: it is their own process that fails."""
    own = {SLOT: ("echo",), SUPERVISOR: (), READER: ()}.get(case.role, (case.role,))
    return (*phase.ends, *own)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


@contextmanager
def new_runner() -> Iterator[Runner]:
    """A runner in a temporary directory, which is removed with all that it holds."""
    with tempfile.TemporaryDirectory(prefix="netd-torture-") as directory:
        runner = Runner(Path(directory))
        try:
            yield runner
        finally:
            runner.close()

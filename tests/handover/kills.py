"""Kills the processes of a handover in their system calls: `python -m tests.handover.kills`.

A restart, reload or upgrade is run once under strace(1) to count the system calls of a process,
and then again and again, each time with the process killed in another call. Whatever happens, the
daemon serves afterwards, a client has all of its bytes or a closed connection, and no client hangs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netd.errors import NetdError
from tests.gate import Gate
from tests.handover.loading import Load
from tests.handover.record import Fault
from tests.handover.replacing_netd import GATE, SUPERVISOR
from tests.handover.scenario import Scenario
from tests.played_systemd import ManagedDaemon
from tests.support import wait_until
from tests.torture.case import KILL, Case, all_cases, sample
from tests.torture.strace import AttachError, Strace

LISTENERS: Final = ("fork", "thread", "lounge", "web")
_OLD: Final = tuple(f"old {name}" for name in (SUPERVISOR, *LISTENERS))
_NEW: Final = tuple(f"new {name}" for name in LISTENERS)
ROLES: Final[dict[str, tuple[str, ...]]] = {
    "restart": (*_OLD, f"new {SUPERVISOR}", *_NEW),
    "reload": (*_OLD, *_NEW),
    "upgrade": _OLD,
}
"""The processes that can be killed in each event."""
_CUT: Final = {Fault.DROPPED.value, Fault.RESET.value, Fault.REFUSED.value}
_TYPES: Final = ("echo held", "http kept", "http new", "chat member", "echo new", "echo bulk")


class UnclearError(Exception):
    """A client got neither all of its bytes nor a closed connection, or the daemon is not whole."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case ended."""

    name: str
    """`all old or new`, `disconnected`, or `not reached`."""
    disconnected: int = 0
    """The number of clients whose connection was closed."""


class Killer:
    """A daemon with clients, whose handovers are disturbed one after the other."""

    def __init__(self, directory: Path, clients: str = "") -> None:
        """Start both; with only those clients whose names begin so."""
        self.scenario = Scenario(directory)
        gate = directory / "gate"
        self._gate = Gate(gate)
        self._trace = directory / "trace"
        self.daemon = ManagedDaemon(
            directory,
            self.scenario.text(),
            module="tests.handover.replacing_netd",
            environ={GATE: str(gate)},
        )
        self.daemon.systemd.start()
        specs = self.scenario.specs(members=2, held=1)
        self._load = Load(
            [spec for spec in specs if spec.type in _TYPES and spec.name.startswith(clients)]
        )
        self.events: dict[str, Callable[[], object]] = {
            "restart": self.daemon.systemd.restart,
            "reload": self._reload,
            "upgrade": lambda: self.daemon.netd("upgrade"),
        }

    def close(self) -> None:
        """End the clients and the daemon."""
        self._gate.disarm()
        self._load.close()
        self.daemon.systemd.close()

    def calls(self, event: str, role: str) -> list[Case]:
        """All cases of a process in an undisturbed event. Raises UnclearError."""
        found: list[Case] = []

        def act() -> None:
            with self._traced(event, role) as (pid, strace):
                pass
            if strace is not None:
                found.extend(all_cases(role, event, strace.calls([pid])))

        self._load.event(act, staged=False)
        if faults := self._load.take_faults():
            raise UnclearError(f"an undisturbed {event}: {faults}")
        return [case for case in found if case.error == KILL]

    def run(self, case: Case) -> Outcome:
        """Kill the process of a case in its call. Raises UnclearError."""
        has_killed = False

        def act() -> None:
            nonlocal has_killed
            self._trace.unlink(missing_ok=True)
            ended = len(self.daemon.systemd.exits)
            with self._traced(case.phase, case.role, case) as (_, strace):
                pass
            has_killed = strace is not None and strace.has_injected
            if has_killed and case.role.endswith(SUPERVISOR):
                self.daemon.systemd.await_true(
                    lambda: len(self.daemon.systemd.exits) > ended, "the end of the supervisor"
                )
            self.daemon.systemd.await_ready()

        self._load.event(act, staged=False)
        self._gate.disarm()
        faults = self._load.take_faults()
        wait_until(self.daemon.serves, f"all listeners to serve after {case}")
        if unclear := _unclear(faults):
            raise UnclearError(f"{case}: {unclear}")
        if not has_killed:
            return Outcome("not reached")
        cut = sum(bool(_CUT & set(counts)) for counts in faults.values())
        return Outcome("disconnected" if cut else "all old or new", cut)

    @contextlib.contextmanager
    def _traced(
        self, event: str, role: str, case: Case | None = None
    ) -> Iterator[tuple[int, Strace | None]]:
        """Let an event happen with a process under strace; the body runs when it is over."""
        side, _, name = role.partition(" ")
        acting = threading.Thread(target=self._act, args=(event,))
        if side == "new":
            self._gate.arm(name)
            acting.start()
            wait_until(self._gate.waiting, "a process at the gate")
            pid = self._gate.waiting()
        else:
            pid = self._find(name)
        call, inject = (case.call, case.injection) if case else ("", "")
        try:
            with Strace([pid] if pid else [], self._trace, call=call, inject=inject) as strace:
                if side == "new":
                    self._gate.open()
                else:
                    acting.start()
                acting.join()
                yield pid, strace
        except AttachError:
            if side == "new":
                self._gate.open()
            if acting.ident is not None:
                acting.join()
            yield pid, None

    def _act(self, event: str) -> None:
        with contextlib.suppress(NetdError):  # the reply of a supervisor that is killed
            self.events[event]()

    def _reload(self) -> None:
        self.scenario.generation += 1
        self.daemon.write(self.scenario.text())
        self.daemon.reload()

    def _find(self, name: str) -> int:
        if name == SUPERVISOR:
            return self.daemon.systemd.pid
        return self.daemon.pids(name)[0]


def _unclear(faults: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """The clients whose faults are more than a closed connection, and what was lost with it."""
    chat_was_cut = any(
        _CUT & set(counts) for name, counts in faults.items() if name.startswith("chat")
    )
    allowed = _CUT | ({Fault.LOST.value} if chat_was_cut else set())
    return {name: counts for name, counts in faults.items() if set(counts) - allowed}


@contextlib.contextmanager
def new_killer(clients: str = "") -> Iterator[Killer]:
    """A daemon with clients in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="netd-kills-") as directory:
        killer = Killer(Path(directory), clients)
        try:
            yield killer
        finally:
            killer.close()


def find_cases(event: str, role: str, clients: str = "") -> list[Case]:
    """The cases of the events and processes whose names begin so."""
    with new_killer(clients) as killer:
        return [
            case
            for name, roles in ROLES.items()
            for process in roles
            if name.startswith(event) and process.startswith(role)
            for case in killer.calls(name, process)
        ]


def run_cases(
    cases: Sequence[Case], clients: str = ""
) -> Iterator[tuple[Case, Outcome | UnclearError]]:
    """Run cases, on a new daemon after each one that fails or disconnects clients.

    Lines that were lost with a connection are noticed by the next ones, perhaps in the next case.
    """
    waiting = list(cases)
    while waiting:
        with new_killer(clients) as killer:
            while waiting:
                case = waiting.pop(0)
                try:
                    outcome = killer.run(case)
                except (AssertionError, UnclearError) as error:
                    log = killer.daemon.log.read_text(errors="replace")[-3000:]
                    yield case, UnclearError(f"{error}\n{log}")
                    break
                yield case, outcome
                if outcome.disconnected:
                    break


def main() -> int:
    """Run the cases that the command line chooses."""
    parser = argparse.ArgumentParser(prog="python -m tests.handover.kills", description=__doc__)
    parser.add_argument("--event", default="", help=f"one of {', '.join(ROLES)}")
    parser.add_argument("--role", default="", help=f"such as {', '.join(ROLES['reload'])}")
    parser.add_argument("--count", type=int, default=100, help="cases to run (0: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clients", default="", help="only those whose names begin so")
    parser.add_argument("--case", metavar="CALL:N", help="only this case of --event and --role")
    arguments = parser.parse_args()
    if shutil.which("strace") is None:
        print("strace is not installed: apt install strace", file=sys.stderr)
        return os.EX_UNAVAILABLE
    if arguments.case:
        call, number = arguments.case.split(":")
        cases = [Case(arguments.role, arguments.event, call, KILL, number)]
    else:
        found = find_cases(arguments.event, arguments.role, arguments.clients)
        cases = sample(found, arguments.count, arguments.seed)
        print(f"{len(cases)} of {len(found)} cases, seed {arguments.seed}", flush=True)
    outcomes: Counter[str] = Counter()
    for case, outcome in run_cases(cases, arguments.clients):
        name = outcome.name if isinstance(outcome, Outcome) else "FAILED"
        outcomes[name] += 1
        print(f"{case.phase}, {case.role}, {case.call}:{case.when}: {name}", flush=True)
        if isinstance(outcome, UnclearError):
            again = f"--event {case.phase} --role '{case.role}' --case {case.call}:{case.when}"
            print(f"    python -m tests.handover.kills {again}\n{outcome}", flush=True)
    print(", ".join(f"{count} {name}" for name, count in outcomes.items()))
    return int(outcomes["FAILED"] > 0)


if __name__ == "__main__":
    sys.exit(main())

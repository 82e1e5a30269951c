"""Fails the system calls of a running daemon one after another: `python -m tests.torture`.

As in curl's torture tests, a phase of the daemon's life (start, status, reload, stop, ...) is run
once under strace(1) to count the system calls of a process, and then again and again, each time
with another of these calls failing (`strace --inject`) or killing the process. After each run the
daemon must be whole. Exit status: 0 if no case failed, 1 if one did, 69 without strace.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import groupby, takewhile
from multiprocessing import get_context

from tests.torture.case import Case, all_cases, parse_case, sample
from tests.torture.oracle import Outcome
from tests.torture.phases import PHASES, ROLES
from tests.torture.runner import Result, new_runner

_BATCH = 10  # cases of one role and phase, which share a daemon while it is whole


def main() -> int:
    """Run the cases that the command line chooses."""
    arguments = _parse_arguments()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(os.EX_TEMPFAIL))  # cleans up
    if shutil.which("strace") is None:
        print("strace is not installed: apt install strace", file=sys.stderr)
        return os.EX_UNAVAILABLE
    started = time.monotonic()
    if arguments.case:
        cases = [parse_case(arguments.role, arguments.phase, text) for text in arguments.case]
    else:
        found = _find_cases(arguments)
        cases = sample(found, arguments.count, arguments.seed)
        print(f"{len(cases)} of {len(found)} cases, seed {arguments.seed}", flush=True)
    deadline = time.monotonic() + arguments.seconds if arguments.seconds else None
    results: list[Result] = []
    try:
        batches = list(_batches(cases))
        random.Random(arguments.seed).shuffle(batches)  # each role has its share of --seconds
        for result in _run(batches, arguments.jobs, deadline):
            results.append(result)
            if result.outcome.is_failure or result.outcome is Outcome.UNSTEADY or arguments.verbose:
                _print_result(result)
    finally:  # also when a signal ends the run
        _print_table(results)
        print(f"{len(results)} of {len(cases)} cases in {time.monotonic() - started:.0f} s")
    return int(any(result.outcome.is_failure for result in results))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--role", choices=ROLES, help="fail calls of this process only")
    parser.add_argument("--phase", help="fail calls in this phase only, such as start or status")
    parser.add_argument("--call", help="fail only this system call, such as accept4")
    parser.add_argument(
        "--phases", type=int, metavar="N", help="count the calls of N phases, chosen by the seed"
    )
    parser.add_argument("--count", type=int, default=200, help="cases to run (0: all; default 200)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the cases (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="cases that run at the same time")
    parser.add_argument("--seconds", type=float, help="start no further cases after this time")
    parser.add_argument(
        "--case",
        action="append",
        metavar="CALL:ERRNO:N",
        help="run only this case of --role and --phase; can be repeated",
    )
    parser.add_argument("--verbose", action="store_true", help="print every result")
    arguments = parser.parse_args()
    if arguments.case and not (arguments.role and arguments.phase):
        parser.error("--case needs --role and --phase")
    return arguments


def _find_cases(arguments: argparse.Namespace) -> list[Case]:
    """All cases of the chosen roles and phases, from one run of each."""
    chosen = [
        (role, phase)
        for role, phases in PHASES.items()
        for phase in phases.values()
        if arguments.role in (None, role) and arguments.phase in (None, phase.name)
    ]
    if arguments.phases is not None and arguments.phases < len(chosen):
        chosen = random.Random(arguments.seed).sample(chosen, arguments.phases)
    with new_runner() as runner:
        cases = [
            case
            for role, phase in chosen
            for case in all_cases(role, phase.name, runner.calls(role, phase))
        ]
    return [case for case in cases if arguments.call in (None, case.call)]


def _run(batches: Sequence[Sequence[Case]], jobs: int, deadline: float | None) -> Iterator[Result]:
    if jobs == 1:
        for batch in batches:
            yield from _run_batch(batch, deadline)
        return
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("fork"))
    try:
        running = [pool.submit(_run_batch, batch, deadline) for batch in batches]
        for future in as_completed(running):
            yield from future.result()
    finally:
        pool.shutdown(cancel_futures=True)  # a signal ends the run after the present batches


def _batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    for _, group in groupby(cases, key=lambda case: (case.role, case.phase)):
        together = list(group)
        for start in range(0, len(together), _BATCH):
            yield together[start : start + _BATCH]


def _run_batch(cases: Sequence[Case], deadline: float | None) -> list[Result]:
    with new_runner() as runner:
        in_time = takewhile(lambda _: deadline is None or time.monotonic() < deadline, cases)
        return list(runner.run(in_time))


def _print_result(result: Result) -> None:
    print(f"{result.case}: {result.outcome.value}  {result.detail}")
    if result.log:
        print(f"    python -m tests.torture {result.case.arguments}")
        print("".join(f"    | {line}\n" for line in result.log.splitlines()), end="")
    sys.stdout.flush()


def _print_table(results: Sequence[Result]) -> None:
    """The number of cases by role and phase, and outcome."""
    numbers = Counter((result.case.role, result.case.phase, result.outcome) for result in results)
    outcomes = [outcome for outcome in Outcome if any(key[2] is outcome for key in numbers)]
    rows = list(dict.fromkeys((result.case.role, result.case.phase) for result in results))
    print(f"\n{'role':<11}{'phase':<9}", *(f"{outcome.value:>15}" for outcome in outcomes))
    for role, phase in rows:
        counts = (numbers[role, phase, outcome] for outcome in outcomes)
        print(f"{role:<11}{phase:<9}", *(f"{count:>15}" for count in counts))
    totals = (sum(n for key, n in numbers.items() if key[2] is outcome) for outcome in outcomes)
    print(f"{'all':<20}", *(f"{total:>15}" for total in totals))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.cluster.run --count 1000`: play schedules of faults, report those that fail.

Each one starts its own engine, nodes and clients; `--jobs` of them run beside each other. A
schedule that fails leaves a directory with all that explains it: the faults with their times, the
engine's log and files, the logs of the nodes, and what each client has received.

With `--simulated` all is in one process (`simulation`), and a seed reproduces a schedule exactly.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.cluster import simulation
from tests.cluster.schedule import Schedule

_SIMULATED_STEPS = 60


@dataclass
class Outcome:
    """What a schedule has shown."""

    seed: int
    fault: str = ""
    """What was wrong, empty if nothing was."""
    figures: Counter[str] = field(default_factory=Counter)


def play(seed: int, directory: Path) -> Outcome:
    """Play a schedule; its directory stays if it has failed."""
    own = directory / f"{seed}"
    own.mkdir(parents=True, exist_ok=True)
    outcome = Outcome(seed)
    with _log_to(own / "nodes.log"), contextlib.closing(Schedule(seed, own)) as schedule:
        try:
            schedule.run()
        except Exception as error:  # noqa: BLE001 (it is reported, and the next one is played)
            outcome.fault = str(error) or repr(error)
            (own / "fault.txt").write_text(traceback.format_exc())
            schedule.write_evidence(own)
        outcome.figures.update(schedule.faults)
        outcome.figures.update({"lines seen": schedule.seen, "nodes removed": schedule.fences})
    if not outcome.fault:
        shutil.rmtree(own)
    return outcome


def play_simulated(seed: int, _directory: Path) -> Outcome:
    """Play a schedule in this process."""
    try:
        simulation.play(random.Random(seed), _SIMULATED_STEPS)
    except Exception as error:  # noqa: BLE001 (as above)
        return Outcome(seed, repr(error))
    return Outcome(seed)


@contextlib.contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Have this process and its children write their log to a file, with time and process."""
    with path.open("a") as file, open(os.dup(2), "w") as before:
        os.dup2(file.fileno(), 2)
        shape = "%(created).3f %(process)d %(levelname)s %(message)s"
        logging.basicConfig(stream=sys.__stderr__, format=shape, level=logging.INFO, force=True)
        try:
            yield
        finally:
            os.dup2(before.fileno(), 2)


def play_all(
    play: Callable[[int, Path], Outcome],
    seeds: Sequence[int],
    directory: Path,
    *,
    jobs: int,
    seconds: float,
) -> Iterator[Outcome]:
    """Play schedules beside each other, in any order; begin none after some time."""
    # Forked: the start of a node is the start of Python otherwise.
    context = multiprocessing.get_context("fork")
    begin = partial(_play_until, play, time.monotonic() + seconds, directory)
    with context.Pool(jobs, maxtasksperchild=20) as pool:
        yield from filter(None, pool.imap_unordered(begin, seeds))


def _play_until(
    play: Callable[[int, Path], Outcome], end: float, directory: Path, seed: int
) -> Outcome | None:
    if time.monotonic() >= end:
        return None
    try:
        return play(seed, directory)
    except Exception:  # noqa: BLE001 (a node has not started, for example)
        return Outcome(seed, traceback.format_exc())


def main() -> None:
    """Exit with status 1 if a schedule has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no more after that")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--simulated", action="store_true", help="without processes and an engine")
    parser.add_argument("--directory", type=Path, help="for the evidence of those that fail")
    arguments = parser.parse_args()
    directory = arguments.directory or Path(tempfile.mkdtemp(prefix="netd-schedules-"))
    seeds = range(arguments.first, arguments.first + arguments.count)
    begin = time.monotonic()
    figures: Counter[str] = Counter()
    failed, played = [], 0
    bounds = {"jobs": arguments.jobs, "seconds": arguments.seconds}
    kind = play_simulated if arguments.simulated else play
    for outcome in play_all(kind, seeds, directory, **bounds):
        played += 1
        figures.update(outcome.figures)
        if outcome.fault:
            failed.append(outcome.seed)
            print(
                f"seed {outcome.seed}: {outcome.fault} ({directory / str(outcome.seed)})",
                flush=True,
            )
        if not played % 50:
            print(f"{played} played, {time.monotonic() - begin:.0f} s", flush=True)
    if figures:
        print(", ".join(f"{figures[name]} {name}" for name in sorted(figures)))
    minutes = (time.monotonic() - begin) / 60
    print(f"{played} schedules, {len(failed)} failed, {minutes:.1f} minutes")
    if not failed and not arguments.directory:
        shutil.rmtree(directory)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()

"""`python -m tests.cluster.run --count 1000`: play schedules of faults, report those that fail.

Each one starts its own engine, nodes and clients; `--jobs` of them run beside each other.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.cluster.schedule import Schedule


def play(seed: int) -> str:
    """Play a schedule; returns what was wrong, empty if nothing was."""
    logging.disable()
    with tempfile.TemporaryDirectory() as directory:
        try:
            with contextlib.closing(Schedule(seed, Path(directory))) as schedule:
                schedule.run()
        except AssertionError as error:
            return str(error)
    return ""


def main() -> None:
    """Exit with status 1 if a schedule has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no more after that")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.count)
    end = time.monotonic() + arguments.seconds
    played = failed = 0
    with ProcessPoolExecutor(arguments.jobs, max_tasks_per_child=20) as pool:
        while played < len(seeds) and time.monotonic() < end:
            some = seeds[played : played + arguments.jobs]
            for seed, fault in zip(some, pool.map(play, some), strict=True):
                if fault:
                    failed += 1
                    print(f"seed {seed}: {fault}", flush=True)
            played += len(some)
    print(f"{played} schedules, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()

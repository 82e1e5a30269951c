"""`python -m tests.bench echo`: measure netd beside its peers and print a Markdown table.

`integrity` sends gibibytes through echo and compares checksums instead, `memory` tells what an
idle daemon holds.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from tests.bench import echo_integrity, memory
from tests.bench.harness import measure
from tests.bench.report import markdown, write


def main() -> None:
    """Run what is named; figures are written under --output too."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("benchmark", choices=["echo", "chat", "http", "integrity", "memory"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="for each server and round")
    parser.add_argument("--only", default="", help="works whose name contains this")
    parser.add_argument("--output", type=Path, default=Path("build/bench"))
    parser.add_argument("--gibibytes", type=float, default=2.0, help="integrity's, each way")
    arguments = parser.parse_args()
    if arguments.benchmark == "integrity":
        prove_integrity(int(arguments.gibibytes * 2**30))
    elif arguments.benchmark == "memory":
        print(memory.report())
    else:
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    """Measure the works of a benchmark."""
    works = importlib.import_module(f"tests.bench.{arguments.benchmark}").works()
    results = [
        measure(work, arguments.rounds, arguments.seconds)
        for work in works
        if arguments.only in work.name
    ]
    print(markdown(results))
    for path in write(results, arguments.output, arguments.benchmark):
        print(f"wrote {path}")


def prove_integrity(size: int) -> None:
    """Exit with status 1 if a byte was lost, added or changed."""
    print(echo_integrity.HEADER)
    exact = True
    for passage in echo_integrity.passages(size):
        print(passage, flush=True)
        exact &= passage.is_exact
    raise SystemExit(not exact)


if __name__ == "__main__":
    main()

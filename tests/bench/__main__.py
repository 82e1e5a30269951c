"""`python -m tests.bench echo`: measure netd beside its peers and print a Markdown table."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from tests.bench.harness import measure
from tests.bench.report import markdown, write


def main() -> None:
    """Run the benchmarks named; all is written under --output too."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("benchmark", choices=["echo", "chat", "http"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each server and round")
    parser.add_argument("--only", default="", help="works whose name contains this")
    parser.add_argument("--output", type=Path, default=Path("build/bench"))
    arguments = parser.parse_args()
    works = importlib.import_module(f"tests.bench.{arguments.benchmark}").works()
    results = [
        measure(work, arguments.rounds, arguments.seconds)
        for work in works
        if arguments.only in work.name
    ]
    print(markdown(results))
    for path in write(results, arguments.output, arguments.benchmark):
        print(f"wrote {path}")


if __name__ == "__main__":
    main()

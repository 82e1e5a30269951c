"""`python -m tests.bench echo`: measure netd beside its peers and print a Markdown table.

`attacks` reports how long innocent clients wait while others attack; it exits with status 1 if netd
misses its goal. `faults` reports what becomes of clients when processes, configurations and logs
fail. `history` reports how long requests take if a chat has a million stored lines. `integrity`
sends gibibytes through echo and compares checksums, `memory` reports the memory of an idle daemon
and of chat members, and `soak` what a daemon holds, minute by minute, under traffic, reloads and
killed workers. `restart` reports what clients notice of restarts, upgrades and reloads. `report`
writes the page of measurements: it runs each benchmark of which --output holds no result; with
--only it writes the sections of some benchmarks alone.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bench import attacks, cluster, echo_integrity, faults, history, memory, restart, soak
from tests.bench.harness import Result, measure
from tests.bench.report import SECTIONS, markdown, page, replace_section, write

_COMPARED = ("echo", "chat", "http")
_PAGE = Path(__file__).parents[2] / "packaging" / "doc" / "measurements.md"


def main() -> None:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "benchmark",
        choices=[
            *_COMPARED,
            *("attacks", "cluster", "faults", "history", "integrity", "memory", "report"),
            *("restart", "soak"),
        ],
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="for each server and round")
    parser.add_argument("--only", default="", help="works whose name contains this")
    parser.add_argument(
        "--server",
        default="",
        help="attacks', faults' and restart's: servers whose name contains this",
    )
    parser.add_argument("--output", type=Path, default=Path("build/bench"))
    parser.add_argument("--gibibytes", type=float, default=2.0, help="integrity's, each way")
    parser.add_argument("--minutes", type=int, default=10, help="soak's")
    arguments = parser.parse_args()
    if arguments.benchmark == "integrity":
        prove_integrity(int(arguments.gibibytes * 2**30))
    elif arguments.benchmark == "attacks":
        measure_attacks(arguments)
    elif arguments.benchmark == "report":
        write_page(arguments)
    else:
        run(arguments.benchmark, arguments)


def run(benchmark: str, arguments: argparse.Namespace) -> None:
    """Measure, print the table, and keep the results under --output."""
    if benchmark in _COMPARED:
        results = compare(benchmark, arguments)
        print(markdown(results))
        for path in write(results, arguments.output, benchmark):
            print(f"wrote {path}")
    else:
        keep(arguments.output / f"{benchmark}.md", _table(benchmark, arguments))


def _table(benchmark: str, arguments: argparse.Namespace) -> Iterable[str]:
    """The lines of the table of a benchmark that has one of its own form."""
    only, server = arguments.only, arguments.server
    reports: dict[str, Callable[[], Iterable[str]]] = {
        "memory": lambda: [memory.report()],
        "faults": lambda: [faults.report(only, server)],
        "restart": lambda: [restart.report(only, server, arguments.rounds)],
        "cluster": lambda: cluster.report(only),
        "history": history.report,
        "soak": lambda: soak.report(arguments.minutes),
        "attacks": lambda: attacks.report(only, arguments.seconds, server, []),
    }
    return reports[benchmark]()


def keep(path: Path, lines: Iterable[str]) -> None:
    """Print the lines of a table as they come, and keep them in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as table:
        for line in lines:
            print(line, flush=True)
            print(line, file=table, flush=True)


def compare(benchmark: str, arguments: argparse.Namespace) -> list[Result]:
    """Measure the works of a benchmark."""
    works = importlib.import_module(f"tests.bench.{benchmark}").works()
    return [
        measure(work, arguments.rounds, arguments.seconds)
        for work in works
        if arguments.only in work.name
    ]


def write_page(arguments: argparse.Namespace) -> None:
    """Write packaging/doc/measurements.md from the results, and measure those that are missing.

    With --only, write the sections of the benchmarks whose name contains this.
    """
    only, arguments.only = arguments.only, ""
    names = [name for name in SECTIONS if only in name]
    for benchmark in names:
        if not (arguments.output / f"{benchmark}.md").exists():
            run(benchmark, arguments)
    if only:
        for benchmark in names:
            text = _PAGE.read_text()
            _PAGE.write_text(replace_section(text, benchmark, arguments.output))
    else:
        _PAGE.write_text(page(arguments.output))
    print(f"wrote {_PAGE}")


def measure_attacks(arguments: argparse.Namespace) -> None:
    """Exit with status 1 if a client of netd waited too long."""
    missed: list[str] = []
    only, seconds, servers = arguments.only, arguments.seconds, arguments.server
    keep(arguments.output / "attacks.md", attacks.report(only, seconds, servers, missed))
    for row in missed:
        print(f"goal missed: {row}", file=sys.stderr)
    raise SystemExit(bool(missed))


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

"""`python -m tests.bench.fuzz`: every parser under atheris, which steers by what code is reached.

Each parser has a process of its own, which must neither raise, nor hang, nor grow. Exits 1 if
one did; what it choked on is left in the present directory as crash-*, timeout-* or oom-*.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

_TARGETS = "tests.bench.fuzz_targets"


def main() -> int:
    """Every target for so long, or one in this very process."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each parser")
    parser.add_argument("--only", default="", help="this parser, in this process")
    arguments = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed", file=sys.stderr)
        return 69
    if arguments.only:
        _fuzz(arguments.only, arguments.seconds)
    names = importlib.import_module(_TARGETS).TARGETS
    command = [sys.executable, "-m", "tests.bench.fuzz", "--seconds", str(arguments.seconds)]
    failed = [name for name in names if subprocess.call([*command, "--only", name])]
    print(f"failed: {', '.join(failed)}" if failed else f"{', '.join(names)}: nothing found")
    return 1 if failed else 0


def _fuzz(name: str, seconds: int) -> None:
    import atheris  # noqa: PLC0415 (an extra, and it must come before what it instruments)

    with atheris.instrument_imports():
        module = importlib.import_module(_TARGETS)
    corpus = Path(tempfile.mkdtemp(prefix="netd-fuzz-"))
    for number, seed in enumerate(module.SEEDS.get(name, ())):
        (corpus / str(number)).write_bytes(seed)
    limits = [f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=1024", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], module.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.bench.slow`: slow clients by the thousand, and how another fares beside them.

slowhttptest holds its connections by a head, a body or a reading that never ends; meanwhile a
plain client requests a page on a new connection ten times a second. Exits 1 if it was ever
refused or had to wait for longer than its patience.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from http.client import HTTPConnection

from tests.bench import harness_process

ATTACKS = {
    "slow head": ["-H", "-i", "2", "-x", "24"],
    "slow body": ["-B", "-i", "2", "-s", "100000", "-x", "10"],
    "slow read": ["-X", "-w", "64", "-y", "128", "-n", "2", "-z", "32", "-k", "3"],
}
_PATIENCE_S = 5.0  # as slowhttptest has it
_NETD = """
kind = "http"
address = "tcp://127.0.0.1:{port}"
routes = [
  {{path = "/", match = "prefix", text = "{text}"}},
  {{path = "/hello", text = "Hello"}},
  {{path = "/echo", echo = "body"}},
]
"""


def main() -> int:
    """Run all attacks one after the other; prints a row for each attack."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.slow", description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=30, help="for each attack")
    arguments = parser.parse_args()
    if not shutil.which("slowhttptest"):
        print("slowhttptest is not installed", file=sys.stderr)
        return 69
    print("| attack | asked | failed | median ms | slowest ms |\n|---|---|---|---|---|")
    well = [_attack(name, arguments.connections, arguments.seconds) for name in ATTACKS]
    return 0 if all(well) else 1


def _attack(name: str, connections: int, seconds: int) -> bool:
    port = harness_process.free_port()
    path = "/echo" if name == "slow body" else "/"
    command = [
        *("slowhttptest", *ATTACKS[name], "-c", str(connections), "-r", str(connections)),
        *("-l", str(seconds), "-u", f"http://127.0.0.1:{port}{path}"),
    ]
    with harness_process.netd(_NETD.format(port=port, text="x" * 200_000), port):
        attack = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            waits, failed = _ask(port, attack, time.monotonic() + seconds)
        finally:
            attack.terminate()
            attack.wait()
    row = (
        name,
        len(waits) + failed,
        failed,
        f"{statistics.median(waits):.1f}",
        f"{max(waits):.1f}",
    )
    print("| " + " | ".join(map(str, row)) + " |", flush=True)
    return not failed and max(waits) < _PATIENCE_S * 1000


def _ask(port: int, attack: subprocess.Popen[bytes], until: float) -> tuple[list[float], int]:
    """How many milliseconds each answer took, and how many never came."""
    waits, failed = [], 0
    while time.monotonic() < until and attack.poll() is None:
        began = time.monotonic()
        connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
        try:
            connection.request("GET", "/hello")
            assert connection.getresponse().read() == b"Hello"
            waits.append((time.monotonic() - began) * 1000)
        except OSError:
            failed += 1
        finally:
            connection.close()
        time.sleep(0.1)
    return waits, failed


if __name__ == "__main__":
    sys.exit(main())

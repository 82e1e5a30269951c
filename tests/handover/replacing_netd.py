"""`netd`, except that tests can replace any worker, and have any process wait before it begins.

`python -m tests.handover.replacing_netd run --config netd.toml` replaces the workers of a listener
at each change of its options; as shipped, few keys need a new worker. The file that GATE names in
the environment (tests/gate.py) has the name of the process that is to wait, `supervisor` or that
of a listener.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, Final
from unittest import mock

from netd.__main__ import main
from netd.config.model import ListenerOptions
from netd.listeners.worker import run_worker
from tests.gate import Gate

GATE: Final = "NETD_TEST_GATE"
"""The environment variable with the path of the gate's file."""
SUPERVISOR: Final = "supervisor"


def all_fields(options: type[ListenerOptions]) -> tuple[str, ...]:
    """The names of all options of a kind."""
    return tuple(field.name for field in dataclasses.fields(options))


def wait_at_gate(name: str) -> None:
    """Wait if the gate is armed for a process of this name."""
    Gate(Path(os.environ.get(GATE, os.devnull))).wait(name)


def gated_run_worker(*arguments: Any) -> None:
    """Run a worker that waits at the gate."""
    wait_at_gate(Path("/proc/self/comm").read_text().strip().removeprefix("netd: "))
    run_worker(*arguments)


if __name__ == "__main__":
    mock.patch("netd.supervisor.plan.fields_for_new_workers", all_fields).start()
    mock.patch("netd.supervisor.worker_process.run_worker", gated_run_worker).start()
    wait_at_gate(SUPERVISOR)
    main()

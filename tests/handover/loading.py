"""Controls clients in another process: `with Load(specs) as load: load.event(restart)`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from tests.handover.record import Spec

COMMAND: Final = (sys.executable, "-m", "tests.handover.load")


class LoadError(Exception):
    """The clients could not be served before the event."""


@dataclass(frozen=True, slots=True)
class GroupReport:
    """The faults of one group of clients."""

    clients: int
    steps: int
    """Exchanges, or lines that arrived."""
    faults: dict[str, int]
    details: list[str]


class Load:
    """Clients of a server, before, during and after events."""

    def __init__(self, specs: Sequence[Spec], command: Sequence[str] = COMMAND) -> None:
        """Start the clients; returns when all are served. Raises LoadError.

        `command` runs `tests.handover.load`, perhaps in a container.
        """
        self.pauses: dict[str, list[float]] = defaultdict(list)
        """The longest wait of each client at each event, in seconds, by group."""
        self.durations: list[float] = []
        """How long each event took, in seconds."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if late := self._call("start", [asdict(spec) for spec in specs]):
            report = self._call("report")
            self.close()
            raise LoadError(f"not served: {late}, {report}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def event(self, act: Callable[[], object], *, staged: bool = True, steps: int = 2) -> None:
        """Do something; returns when each client has made steps after it. Raises LoadError.

        `staged`: with those clients that begin something before the event, and complete it later.
        """
        if faults := self._call("before", staged):
            raise LoadError(f"before the event: {faults}")
        began = time.monotonic()
        act()
        self.durations.append(time.monotonic() - began)
        for group, waits in self._call("after", steps).items():
            self.pauses[group] += waits

    def take_faults(self) -> dict[str, dict[str, int]]:
        """The faults of each client since the last call, by its name; `finish` omits them."""
        faults: dict[str, dict[str, int]] = self._call("take_faults")
        return faults

    def finish(self) -> dict[str, GroupReport]:
        """End all clients; returns the report of each group."""
        return {name: GroupReport(**plain) for name, plain in self._call("finish").items()}

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _call(self, command: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline() or "null")


def faults(report: dict[str, GroupReport]) -> list[str]:
    """All faults of a report, with the details of some."""
    return [
        f"{name}: {group.faults}: {detail}"
        for name, group in report.items()
        for detail in group.details
    ]

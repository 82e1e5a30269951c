"""What a client of a handover notes: its faults, its steps, and how long it waited."""

from __future__ import annotations

import enum
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

_MAX_DETAILS: Final = 20


class Fault(enum.StrEnum):
    """What a client must not see."""

    REFUSED = "refused"  # a connection: ECONNREFUSED, ENOENT
    RESET = "reset"  # a connection: ECONNRESET, EPIPE
    DROPPED = "dropped"  # a connection: an end-of-file that was not due
    WRONG = "wrong"  # other bytes than those that are due
    LOST = "lost"  # a numbered line or block
    DOUBLED = "doubled"  # the same, or one out of order
    SHOWN = "shown"  # a line that tells others about a restart, such as QUIT
    STUCK = "stuck"  # no reply for a long time


class LostError(Exception):
    """A client did not get exactly the bytes that are due."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(f"{fault.value} {detail}")
        self.fault, self.detail = fault, detail


@dataclass(frozen=True, slots=True)
class Spec:
    """Some clients of one type; all values are plain, because another process runs them."""

    type: str
    """A name of `tests.handover.load`, such as `echo held`."""
    address: str
    """As in netd's configuration: `tcp://127.0.0.1:7`."""
    count: int = 1
    group: str = ""
    """The name in the report; empty for that of the type."""
    options: Any = None
    """A mapping of options, which the type explains."""

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.group or self.type


class Record:
    """The notes of one client."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: Counter[str] = Counter()
        self.details: list[str] = []
        self.steps = 0
        self._began: float | None = None
        self._longest_s = 0.0

    def fail(self, fault: Fault, detail: str = "", count: int = 1) -> None:
        """Count a fault; the first ones are kept with their details."""
        self.faults[fault.value] += count
        if len(self.details) < _MAX_DETAILS:
            self.details.append(f"{time.monotonic():.3f} {self.name}: {fault.value} {detail}")

    def begin(self) -> None:
        """A request begins; one that is sent again on another connection began before."""
        if self._began is None:
            self._began = time.monotonic()

    def end(self) -> None:
        """The reply to the request is complete."""
        if self._began is not None:
            self.waited(time.monotonic() - self._began)
            self._began = None
        self.steps += 1

    def waited(self, seconds: float) -> None:
        """Note how long something took."""
        self._longest_s = max(self._longest_s, seconds)

    def mark(self) -> None:
        """Forget all waits but the present one."""
        self._longest_s = 0.0

    def longest_s(self) -> float:
        """The longest wait since `mark`, of requests that were under way then or began later."""
        present = 0.0 if self._began is None else time.monotonic() - self._began
        return max(self._longest_s, present)

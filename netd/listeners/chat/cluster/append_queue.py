"""The inputs of a node that are not known to be in the log.

An input gets its sequence number when it is first sent. The engine skips inputs whose number it
has, so all that were sent can be sent again on a new connection: each one is in the log at most
once, in the order of `add`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from netd.protocols.record import BYTES, save_all

MAX_BATCH: Final = 200
MAX_BATCH_BYTES: Final = 262_144


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs with consecutive sequence numbers, which are one entry of the log."""

    first: int
    """The sequence number of the first one."""
    payloads: Sequence[bytes]


class AppendQueue:
    """Inputs from `add` until they were read from the log (`confirm`) or given up (`expire`)."""

    def __init__(self, saved: Mapping[str, Any] | None = None, now: float = 0.0) -> None:
        """An empty queue, or one that was saved."""
        saved = saved or {"last": 0, "sent": (), "unsent": ()}
        self._confirmed: int = saved["last"]  # the number of the last input known to be in the log
        self._sent: deque[bytes] = deque(saved["sent"])  # the first one has the number after that
        self._resent = 0  # how many of them were sent on the present connection
        self._logged = 0  # the last number in the log when the connection was made
        self._unsent: deque[tuple[float, bytes]] = deque((now, item) for item in saved["unsent"])
        self.bytes = sum(map(len, [*saved["sent"], *saved["unsent"]]))
        """The size of all that waits."""

    def save(self) -> dict[str, Any]:
        """The queue as plain data."""
        return {
            "last": self._confirmed,
            "sent": save_all(BYTES, self._sent),
            "unsent": save_all(BYTES, [payload for _, payload in self._unsent]),
        }

    def __len__(self) -> int:
        return len(self._sent) + len(self._unsent)

    def add(self, payload: bytes, now: float) -> None:
        """Add an input."""
        self._unsent.append((now, payload))
        self.bytes += len(payload)

    def next_batch(self) -> Batch | None:
        """The next inputs to send on the present connection; None if all are sent."""
        while self._unsent and len(self._sent) - self._resent < MAX_BATCH:
            self._sent.append(self._unsent.popleft()[1])
        payloads: list[bytes] = []
        size = 0
        for index in range(self._resent, min(len(self._sent), self._resent + MAX_BATCH)):
            size += len(self._sent[index])
            if payloads and size > MAX_BATCH_BYTES:
                break
            payloads.append(self._sent[index])
        if not payloads:
            return None
        first = self._confirmed + self._resent + 1
        self._resent += len(payloads)
        return Batch(first, payloads)

    def send_again(self) -> None:
        """Begin anew on a new connection."""
        self._resent = 0

    def confirm(self, number: int) -> None:
        """Forget the inputs up to a sequence number: they were read from the log."""
        while self._confirmed < number and self._sent:
            self._confirmed += 1
            self._resent = max(0, self._resent - 1)
            self.bytes -= len(self._sent.popleft())
        if not self._sent:  # inputs of a process that was killed can be in the log
            self._confirmed = max(self._confirmed, number)

    def note_logged(self, number: int) -> None:
        """The log had the inputs up to a sequence number when the connection was made.

        They stay here until they are read (`confirm_logged`): the engine can lose them before.
        """
        self._logged = number

    def confirm_logged(self) -> None:
        """All that was in the log when the connection was made is applied, or in the snapshot."""
        self.confirm(self._logged)

    def payloads(self) -> Sequence[bytes]:
        """All that waits."""
        return [*self._sent, *(payload for _, payload in self._unsent)]

    def expire(self, before: float, may_expire: Callable[[bytes], bool]) -> Sequence[bytes]:
        """Give up the inputs that were added before a time and were never sent, if they may expire.

        An input that was sent may be in the log, so it waits for the engine.
        """
        expired, kept = [], []
        while self._unsent and self._unsent[0][0] <= before:
            at, payload = self._unsent.popleft()
            if may_expire(payload):
                self.bytes -= len(payload)
                expired.append(payload)
            else:
                kept.append((at, payload))
        self._unsent.extendleft(reversed(kept))
        return expired

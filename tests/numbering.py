"""A kind that numbers the lines of each client; its clients survive a handover.

`python -m tests.numbering run ...` is netd with this kind. With the variable PATIENT, a supervisor
that restarts waits for the end of its workers also on a slow machine.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from netd import cli
from netd.config.annotations import NeedsNewWorker
from netd.config.model import ListenerOptions
from netd.errors import ConfigError, Problem, StateError
from netd.listeners.kind import Attach, Handover, Kind
from netd.listeners.kinds import KINDS
from netd.listeners.stream_service import StreamService
from netd.runtime.stream import Stream
from netd.supervisor import shutdown
from tests.support import PATIENCE_S

PATIENT = "NETD_TEST_PATIENT"


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberingOptions(ListenerOptions):
    """A listener that numbers lines."""

    kind: Literal["numbering"] = "numbering"
    """The kind."""

    step: Annotated[int, NeedsNewWorker()] = 1
    """The difference of two numbers; a worker refuses 13."""


class Numbering(StreamService[NumberingOptions]):
    """Replies to each line with its number; a client's numbers go on in the next process."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        if self.options.step == 13:
            raise ConfigError((Problem("step", "13 is refused"),))
        self.counts: dict[Stream, int] = {}
        self.is_broken = False
        self.total = 0
        """How many lines there were, in this process and in the earlier ones."""
        self._saved_total = 0

    def on_data(self, stream: Stream, data: bytes) -> None:
        if data == b"total\n":
            stream.write(b"%d\n" % self.total)
            return
        self.total += data.count(b"\n")
        for _ in range(data.count(b"\n")):
            self.counts[stream] = self.counts.get(stream, 0) + self.options.step
            stream.write(b"%d\n" % self.counts[stream])
        self.is_broken = self.is_broken or b"broken" in data

    def prepare_handover(self, _within_s: float, on_prepared: Callable[[], object]) -> None:
        on_prepared()

    def save(self) -> Handover:
        if self.is_broken:
            raise ZeroDivisionError
        open_streams = [stream for stream in self.counts if stream.is_open]
        return Handover(
            {"counts": [self.counts[stream] for stream in open_streams], "total": self.total},
            [stream.sock.fileno() for stream in open_streams],
        )

    def resume(self) -> None:
        self.is_broken = False

    def leave(self, _within_s: float | None) -> None:
        self.loop.stop()

    def load(self, state: dict[str, Any]) -> Attach:
        if "counts" not in state:
            raise StateError("no counts")

        self.total = self._saved_total = state["total"]

        def attach(descriptors: Mapping[int, int]) -> None:
            for position, fd in descriptors.items():
                self._on_accept(socket.socket(fileno=fd), "", None)  # type: ignore[arg-type]  # not used
                self.counts[list(self._connections)[-1]] = state["counts"][position]

        return attach

    def snapshot(self, on_snapshot: Callable[[Sequence[bytes]], object]) -> None:
        if self.total != self._saved_total:
            self._saved_total = self.total
            on_snapshot([b'{"counts": [], ', b'"total": %d}' % self.total])


KIND = Kind(
    "numbering",
    NumberingOptions,
    lambda: Numbering,
    lambda *_: "",
    hands_over=True,
    keeps_snapshots=True,
)


if __name__ == "__main__":
    KINDS[KIND.name] = KIND
    if PATIENT in os.environ:
        setattr(shutdown, "_LEAVE_S", PATIENCE_S)  # noqa: B010 (a constant)
    cli.main()

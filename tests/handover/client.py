"""What all clients have in common: they connect again after a loss, as real clients do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final, Protocol

from tests.handover.record import Fault, LostError, Record, Spec
from tests.handover.wire import Wire

STUCK_S: Final = 60.0
_RETRY_S: Final = 0.01


class StagedClient(Protocol):
    """A client that begins something before an event, and completes it afterwards."""

    record: Record

    async def before(self) -> None:
        """Connect, and begin. Raises LostError."""

    async def after(self) -> None:
        """Complete what was begun, and compare. Raises LostError."""

    def close(self) -> None:
        """Close all connections."""


class Client:
    """A client that makes exchanges until it is to end."""

    keeps = True
    """Whether a connection serves several exchanges."""
    pace_s = 0.02
    """The pause between two exchanges, unless the option `pace_s` says otherwise."""
    receive_buffer = 0

    def __init__(self, spec: Spec, number: int) -> None:
        self.options: dict[str, Any] = spec.options or {}
        self.address = spec.address
        self.number = number
        self.group = spec.name
        self.record = Record(f"{spec.name} {number}")
        self.is_ending = False
        self.pace_s = self.options.get("pace_s", self.pace_s)
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Make exchanges until `end` is called; note faults, and connect again after one."""
        while not self.is_ending:
            try:
                await self.session()
            except LostError as error:
                self.record.fail(error.fault, error.detail)
                await self.rest(_RETRY_S)
            except TimeoutError:
                self.record.fail(Fault.STUCK, f"for {STUCK_S:g} s")

    async def session(self) -> None:
        """Connect and make exchanges. Raises LostError, TimeoutError."""
        self.record.begin()
        async with asyncio.timeout(STUCK_S):
            wire = await Wire.connect(self.address, self.receive_buffer)
        with contextlib.closing(wire):
            async with asyncio.timeout(STUCK_S):
                await self.greet(wire)
            while True:
                self.record.begin()
                async with asyncio.timeout(STUCK_S):
                    await self.exchange(wire)
                self.record.end()
                await self.rest(self.pace_s)
                if self.is_ending or not self.keeps:
                    break
            async with asyncio.timeout(STUCK_S):
                await self.part(wire)

    async def greet(self, wire: Wire) -> None:
        """Begin a connection."""

    async def exchange(self, wire: Wire) -> None:
        """Send something, and compare the reply. Raises LostError."""
        raise NotImplementedError

    async def part(self, wire: Wire) -> None:
        """End a connection in an orderly way."""

    def end(self) -> None:
        """Let `run` return after the present exchange."""
        self.is_ending = True
        self._woken.set()

    async def rest(self, seconds: float) -> None:
        """Pause, but not beyond `end`."""
        if not self.is_ending:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), seconds)

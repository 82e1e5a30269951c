"""Clients of a daemon, which run in a process of their own: `python -m tests.handover.load`.

The process takes commands as JSON lines on standard input, and sends a JSON line for each one.
`Load` of `tests.handover.loading` is its other side.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, Final

from tests.handover.chat_clients import (
    HeldBack,
    Member,
    SaslAcross,
    SplitLine,
    StoppedReader,
    Watcher,
)
from tests.handover.client import STUCK_S, Client, StagedClient
from tests.handover.echo_clients import (
    EchoBulk,
    EchoDatagram,
    EchoHalfClosed,
    EchoHeld,
    EchoNew,
    EchoSlow,
)
from tests.handover.http_clients import (
    HttpDownload,
    HttpHalfClosed,
    HttpKept,
    HttpNew,
    HttpPipelined,
    HttpPost,
    HttpSplit,
    HttpSplitBody,
)
from tests.handover.record import Fault, LostError, Record, Spec

LASTING: Final[dict[str, type[Client]]] = {
    "echo held": EchoHeld,
    "echo new": EchoNew,
    "echo bulk": EchoBulk,
    "echo slow": EchoSlow,
    "echo datagram": EchoDatagram,
    "http kept": HttpKept,
    "http new": HttpNew,
    "http pipelined": HttpPipelined,
    "http post": HttpPost,
    "http download": HttpDownload,
    "chat member": Member,
    "chat watcher": Watcher,
}
"""Clients that are there all the time."""
STAGED: Final[dict[str, Callable[[Spec, int], StagedClient]]] = {
    "echo half-closed": EchoHalfClosed,
    "http split": HttpSplit,
    "http split body": HttpSplitBody,
    "http half-closed": HttpHalfClosed,
    "chat split": SplitLine,
    "chat stopped": StoppedReader,
    "chat held back": HeldBack,
    "chat sasl": SaslAcross,
}
"""Clients that are made for one event."""


class Clients:
    """All clients, and the commands."""

    def __init__(self) -> None:
        self._records: dict[str, list[Record]] = defaultdict(list)  # by group
        self._lasting: dict[Client, asyncio.Task[None]] = {}
        self._staged: list[StagedClient] = []
        self._to_stage: list[Spec] = []

    async def start(self, specs: list[dict[str, Any]]) -> list[str]:
        """Start the lasting clients; returns the names of those that are not served in time."""
        for spec in (Spec(**plain) for plain in specs):
            if spec.type in STAGED:
                self._to_stage.append(spec)
                continue
            for number in range(spec.count):
                client = LASTING[spec.type](spec, number)
                self._records[spec.name].append(client.record)
                self._lasting[client] = asyncio.create_task(client.run())
        late = await self.progress(2)
        for client in self._lasting:
            if isinstance(client, Watcher):
                client.is_watching = True
        return late

    async def progress(self, steps: int) -> list[str]:
        """Wait until each lasting client has made steps; returns the names of those that are late.

        A member of the chat makes a step with each line of another one.
        """
        return [record.name for record in await self._late(steps)]

    async def _late(self, steps: int) -> list[Record]:
        due = [(client.record, client.record.steps + steps) for client in self._lasting]
        deadline = time.monotonic() + STUCK_S
        while late := [record for record, goal in due if record.steps < goal]:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.01)
        return late

    async def before(self, staged: bool) -> list[str]:  # noqa: FBT001 (from a JSON array)
        """Begin to measure, with `staged` clients or without; returns what went wrong already."""
        for spec in self._to_stage if staged else ():
            for number in range(spec.count):
                client = STAGED[spec.type](spec, number)
                self._staged.append(client)
                self._records[spec.name].append(client.record)
        await asyncio.gather(*(_note(client.record, client.before()) for client in self._staged))
        for lasting in self._lasting:
            lasting.record.mark()
        return [detail for client in self._staged for detail in client.record.details]

    async def after(self, steps: int) -> dict[str, list[float]]:
        """Let the staged clients complete, and the others proceed.

        Returns the longest wait of each lasting client since `before`, in seconds, by group.
        """
        for record in await self._late(steps):
            record.fail(Fault.STUCK, "no progress after the event")
        begun = [staged for staged in self._staged if not staged.record.faults]
        await asyncio.gather(*(_note(staged.record, staged.after()) for staged in begun))
        for staged in self._staged:
            staged.close()
        self._staged.clear()
        waits: dict[str, list[float]] = defaultdict(list)
        for client in self._lasting:
            waits[client.group].append(client.record.longest_s())
        return waits

    async def finish(self) -> dict[str, Any]:
        """End all clients; returns `report`."""
        for client in self._lasting:
            client.end()
        members = [client for client in self._lasting if isinstance(client, Member)]
        await asyncio.gather(*(member.finish() for member in members))
        for member in members:
            self._lasting[member].cancel()
        _, unfinished = await asyncio.wait(self._lasting.values(), timeout=STUCK_S)
        for client, task in self._lasting.items():
            if task in unfinished:
                task.cancel()
                client.record.fail(Fault.STUCK, "at the end")
        await asyncio.gather(*self._lasting.values(), return_exceptions=True)
        return self.report()

    def take_faults(self) -> dict[str, dict[str, int]]:
        """The faults of each client since the last call, by its name."""
        taken = {}
        for record in (record for records in self._records.values() for record in records):
            if record.faults:
                taken[record.name] = dict(record.faults)
                record.faults.clear()
        return taken

    def report(self) -> dict[str, Any]:
        """The number of clients, of their steps and of their faults, by group."""
        return {
            name: {
                "clients": len(records),
                "steps": sum(record.steps for record in records),
                "faults": dict(sum((record.faults for record in records), Counter())),
                "details": [detail for record in records for detail in record.details][:20],
            }
            for name, records in self._records.items()
        }


async def _note(record: Record, work: Coroutine[Any, Any, None]) -> None:
    """Do something, and note its fault."""
    try:
        async with asyncio.timeout(STUCK_S):
            await work
    except LostError as error:
        record.fail(error.fault, error.detail)
    except TimeoutError:
        record.fail(Fault.STUCK, f"for {STUCK_S:g} s")


async def serve() -> None:
    """Carry out commands until the end of standard input."""
    clients = Clients()
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, arguments = json.loads(line)
        result = getattr(clients, command)(*arguments)
        if asyncio.iscoroutine(result):
            result = await result
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())

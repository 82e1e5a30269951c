"""A restart: the clients of all workers wait in bundles until the next supervisor process runs.

The bundles and the running configuration travel as descriptors with labels: in the service
manager's descriptor store, or over execve(2). The next process serves the same configuration at
once, and only then reads the file.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from netd.config.model import Config
from netd.config.serialize import deserialize_config, serialize
from netd.errors import NetdError, ReloadError, StateError
from netd.listeners.bundle import MAJOR, MINOR, Bundle
from netd.listeners.kind import AnyKind
from netd.runtime import sealed_memory
from netd.runtime.errnos import describe
from netd.runtime.loop import Loop
from netd.runtime.systemd import Passed
from netd.supervisor.carrier import Carrier, Parcels
from netd.supervisor.fleet import Fleet
from netd.supervisor.handover import Handover

CONFIGURATION: Final = "configuration"
"""The label of the running configuration."""
_CLIENTS: Final = "clients."  # the listener's name and a number follow
_MAX_WORKERS: Final = 64  # of a listener
_MAX_CONFIGURATION_BYTES: Final = 64 * 2**20

_log = logging.getLogger("netd")


@dataclass(slots=True)
class Inheritance:
    """The configuration and the clients that the previous process left behind."""

    config: Config | None = None
    bundles: dict[str, list[Bundle]] = field(default_factory=dict)
    labels: Sequence[str] = ()
    children: Sequence[int] = ()
    """The processes of the previous program of this process, which end by themselves."""

    def close(self) -> None:
        """Close the bundles: their clients are served, or lost."""
        for bundles in self.bundles.values():
            for bundle in bundles:
                bundle.close()
        self.bundles.clear()


def take_inheritance(passed: Passed, kinds: Mapping[str, AnyKind]) -> Inheritance:
    """Take the configuration and the bundles out of the passed descriptors.

    A configuration that cannot be used is left out, with a warning.
    """
    inheritance = Inheritance(labels=sorted({*passed.memories, *passed.queues}))
    for label, state in passed.memories.items():
        if label.startswith(_CLIENTS):
            name, _, number = label.removeprefix(_CLIENTS).rpartition(".")
            worker = int(number) % _MAX_WORKERS if number.isdecimal() else 0
            bundle = Bundle(state, passed.queues.pop(label, None), worker)
            inheritance.bundles.setdefault(name, []).append(bundle)
        elif label == CONFIGURATION:
            _read_configuration(state, kinds, inheritance)
            os.close(state)
        else:
            os.close(state)
    for queue in passed.queues.values():  # their states are missing
        os.close(queue)
    return inheritance


def _read_configuration(
    memory: int, kinds: Mapping[str, AnyKind], inheritance: Inheritance
) -> None:
    options = {name: kind.options for name, kind in kinds.items()}
    try:
        data: dict[str, Any] = json.loads(sealed_memory.read(memory, _MAX_CONFIGURATION_BYTES))
        inheritance.children = [int(pid) for pid in data["children"]]
        if data["format"][0] == MAJOR:
            inheritance.config = deserialize_config(options, data["config"])
    except (StateError, ValueError, LookupError, TypeError, AttributeError) as error:
        _log.warning("the configuration of the previous process cannot be used: %s", error)


def save_configuration(fleet: Fleet) -> bytes:
    """The running configuration for the next process, and the child processes of this one."""
    data = {
        "format": [MAJOR, MINOR],
        "config": serialize(fleet.config),
        "children": [*fleet.earlier, *(worker.pid for worker in fleet.processes)],
    }
    return json.dumps(data).encode()


class Restart:
    """Freezes all workers, and gives their clients to the carrier.

    `on_done(None)` means that this process has to end; after an error the workers serve again.
    """

    def __init__(
        self,
        loop: Loop,
        fleet: Fleet,
        carrier: Carrier,
        on_done: Callable[[NetdError | None], object],
    ) -> None:
        self._fleet = fleet
        self._carrier = carrier
        self._on_done = on_done
        workers = [
            worker
            for listener in fleet.listeners.values()
            if listener.kind.hands_over
            for worker in listener.all_workers
        ]
        self._handover = Handover(loop, workers, self._on_handed_over, needs_all=carrier.needs_all)
        self._configuration: int | None = None
        self._is_over = False

    def begin(self) -> None:
        """Freeze the workers."""
        self._handover.begin()

    def abort(self, error: NetdError) -> None:
        """Have the workers serve their clients again, and end with this error."""
        self._end(error)

    def _on_handed_over(self, error: NetdError | None) -> None:
        if error is None:
            try:
                self._configuration = sealed_memory.seal(
                    save_configuration(self._fleet), CONFIGURATION
                )
            except OSError as failure:
                error = ReloadError(f"the configuration cannot be passed on: {describe(failure)}")
        if error is None:
            self._carrier.carry(self._parcels(), self._end)
        else:
            self._end(error)

    def _end(self, error: NetdError | None) -> None:
        if self._is_over:
            return
        self._is_over = True
        if error is None:
            self._handover.close()
            self._fleet.leave()
        else:
            _log.error("this process keeps its clients: %s", error)
            self._carrier.cancel()
            self._handover.cancel()
        if self._configuration is not None:
            os.close(self._configuration)
        self._on_done(error)

    def _parcels(self) -> Parcels:
        assert self._configuration is not None
        parcels: list[tuple[str, Sequence[int]]] = [(CONFIGURATION, (self._configuration,))]
        for name in self._fleet.listeners:
            for place, bundle in enumerate(self._handover.bundles_of(name)):
                number = bundle.worker + place * _MAX_WORKERS  # a worker can have several bundles
                parcels.append((f"{_CLIENTS}{name}.{number}", bundle.descriptors))
        return parcels

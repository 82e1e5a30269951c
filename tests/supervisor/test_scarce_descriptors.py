"""A supervisor that starts with the clients of the previous process, and few descriptors."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from netd.config.serialize import serialize
from netd.listeners.bundle import MAJOR, MINOR, pack
from netd.listeners.kind import AnyKind, Handover
from netd.runtime import process, sealed_memory
from netd.runtime.fd_channel import FdChannel
from netd.runtime.systemd import Passed
from netd.supervisor.restart import CONFIGURATION
from netd.supervisor.supervisor import Supervisor
from tests.supervisor.simulation import Simulation
from tests.supervisor.test_supervisor_machine import HANDING_OVER, make_config

CONFIG = make_config({"a": {"address": "tcp://127.0.0.1:0"}})


def passed_clients() -> Passed:
    """What the previous process left: its configuration, and one bundle."""
    bundle = pack("echo", Handover({"clients": [1]}, []))
    assert bundle.queue is not None
    data = {"format": [MAJOR, MINOR], "config": serialize(CONFIG), "children": []}
    configuration = sealed_memory.seal(json.dumps(data).encode(), CONFIGURATION)
    label = "clients.a.0"
    return Passed([], {CONFIGURATION: configuration, label: bundle.state}, {label: bundle.queue})


def test_it_serves_without_the_clients_that_it_has_no_descriptors_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    simulation = Simulation()

    def spawn(name: str, kind: AnyKind, channel: FdChannel) -> process.Process:
        if len(channel.descriptors) > 1:  # more than the listening socket
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return simulation.spawn(name, kind, channel)

    supervisor = Supervisor(
        simulation.loop,
        HANDING_OVER,
        passed_clients(),
        lambda on_read: on_read(CONFIG),
        lambda _config: str(tmp_path / "control"),
        spawn=spawn,
    )
    supervisor.start()
    simulation.obey()
    assert supervisor.status()["state"] == "serving"
    assert "clients are lost" in caplog.text
    assert caplog.text.count("Too many open files") == 2
    supervisor.stop()
    simulation.obey()
    supervisor.close()
    simulation.close()

"""A worker learns whether other listeners hand off connections to its own."""

from __future__ import annotations

from typing import Any

from netd.config.model import Config, DaemonOptions
from netd.config.schema import read_options
from netd.listeners.kinds import KINDS
from netd.supervisor.fleet import Fleet
from netd.supervisor.socket_table import SocketTable
from netd.supervisor.worker_configuration import WorkerConfiguration
from netd.supervisor.worker_handle import WorkerHandle


def _no_worker(_name: str, _kind: Any) -> WorkerHandle:
    raise AssertionError("no worker is started here")


def test_only_the_target_of_a_route_gets_hand_offs() -> None:
    address = "tcp://127.0.0.1:0"
    tables: dict[str, dict[str, Any]] = {
        "lounge": {"kind": "chat", "address": address},
        "garden": {"kind": "chat", "address": address},
        "web": {"kind": "http", "address": address, "routes": [{"path": "/", "chat": "lounge"}]},
    }
    options = {
        name: read_options(KINDS[str(table["kind"])].options, table)
        for name, table in tables.items()
    }
    fleet = Fleet(KINDS, SocketTable(), _no_worker)
    fleet.open_sockets(Config(netd=DaemonOptions(), listeners=options))
    messages = {
        name: WorkerConfiguration(option, (), fleet._queues_of(name, option)).message(
            name, 0, (), needs_state=False
        )[0]
        for name, option in options.items()
    }
    fleet.close_sockets()
    assert {name: message.gets_handoffs for name, message in messages.items()} == {
        "lounge": True,
        "garden": False,
        "web": False,
    }
    assert messages["web"].queues == ("lounge",)

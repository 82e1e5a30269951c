from __future__ import annotations

import contextlib
import errno
import itertools
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from netd.config.model import Config, DaemonOptions
from netd.config.schema import read_options
from netd.errors import NetdError, ReloadError
from netd.listeners.echo.options import EchoOptions
from netd.listeners.kinds import KINDS
from netd.protocols.link import Failed, LinkMessage, OwnAddresses, Ready
from netd.supervisor.fleet import Fleet
from netd.supervisor.reload import Reload
from netd.supervisor.socket_table import SocketTable
from netd.supervisor.worker_handle import WorkerHandle
from tests.supervisor.simulation import READY, SimulatedWorker, Simulation


def config(**listeners: dict[str, Any]) -> Config:
    """Echo listeners by name, each with its options."""
    options = {
        name: read_options(EchoOptions, {"address": "tcp://127.0.0.1:0", **table})
        for name, table in listeners.items()
    }
    return Config(netd=DaemonOptions(), listeners=dict(options))


class Setting:
    """A fleet on a simulated clock; it passes its workers' events on to the present reload."""

    def __init__(self) -> None:
        self.simulation = Simulation()
        self.kinds = dict(KINDS)
        self.fleet = Fleet(self.kinds, SocketTable(), self._new_worker)
        self.reload: Reload | None = None
        self.outcomes: list[NetdError | None] = []

    def _new_worker(self, name: str, kind: Any) -> WorkerHandle:
        return WorkerHandle(self.simulation.loop, self, name, kind, self.simulation.spawn)

    def on_ready(self, worker: WorkerHandle) -> None:
        if self.reload is not None:
            self.reload.on_ready(worker)

    def on_failed(self, worker: WorkerHandle, reason: str) -> None:
        if self.reload is not None:
            self.reload.on_failed(worker, reason)

    def on_crashed(self, worker: WorkerHandle, reason: str) -> None:
        if self.reload is not None:
            self.reload.on_crashed(worker, reason)

    def on_ended(self, worker: WorkerHandle) -> None:
        self.fleet.remove(worker)

    def on_retiring(self, worker: WorkerHandle) -> None:
        self.fleet.replace(worker)

    def on_status_requested(self, worker: WorkerHandle) -> None:
        """Not used by the tests."""

    def on_reload_requested(self, worker: WorkerHandle) -> None:
        """Not used by the tests."""

    def begin(self, desired: Config) -> None:
        self.reload = Reload(self.simulation.loop, self.fleet, desired, self._on_done)
        self.reload.begin()

    def _on_done(self, error: NetdError | None, _changes: str) -> None:
        self.reload = None
        self.outcomes.append(error)

    def apply(self, desired: Config) -> str:
        """Reload with workers that obey; the error's text, empty for success."""
        self.begin(desired)
        self.simulation.obey()
        return str(self.outcomes[-1] or "")

    def pids(self, name: str) -> list[int | None]:
        return [worker.pid for worker in self.fleet.listeners[name].workers]

    def sockets(self, name: str) -> list[int]:
        listener = self.fleet.listeners[name]
        return [sock.fileno() for _, sock in self.fleet.table.of(name, listener.options)]

    def picture(self) -> object:
        """All that a rejected reload must leave as it was."""
        return {
            name: (listener.options, self.pids(name), self.sockets(name))
            for name, listener in self.fleet.listeners.items()
        }

    def close(self) -> None:
        self.simulation.close()
        self.fleet.table.keep_only({})


@pytest.fixture
def setting() -> Iterator[Setting]:
    with contextlib.closing(Setting()) as setting:
        yield setting


def test_the_start_is_a_reload_from_nothing(setting: Setting) -> None:
    assert not setting.apply(config(a={}, b={"workers": 2}))
    assert {name: len(setting.pids(name)) for name in setting.fleet.listeners} == {"a": 1, "b": 2}
    assert setting.fleet.is_well


def test_an_unchanged_listener_keeps_its_workers_and_its_socket(setting: Setting) -> None:
    setting.apply(config(a={}))
    before = setting.picture()
    assert not setting.apply(config(a={}, b={}))
    assert setting.pids("b")
    setting.apply(config(a={}))
    assert setting.picture() == before
    assert not setting.fleet.leaving


def test_the_numbers_of_workers_are_dense_and_stay_with_them(setting: Setting) -> None:
    def numbers() -> dict[int | None, int]:
        return {worker.pid: worker.number for worker in setting.fleet.listeners["a"].workers}

    setting.apply(config(a={"workers": 2}))
    before = numbers()
    assert not setting.apply(config(a={"workers": 3}))
    assert before.items() < numbers().items()
    assert sorted(numbers().values()) == [0, 1, 2]
    setting.fleet.replace(setting.fleet.listeners["a"].workers[1])
    assert sorted(numbers().values()) == [0, 1, 2]
    assert not setting.apply(config(a={"workers": 2}))
    assert sorted(numbers().values()) == [0, 1]


def test_live_options_go_to_the_running_workers(setting: Setting) -> None:
    setting.apply(config(a={"workers": 2}))
    before = setting.pids("a")
    assert not setting.apply(config(a={"workers": 2, "tag": True}))
    assert setting.pids("a") == before
    assert not setting.apply(config(a={"workers": 3}))
    assert setting.pids("a")[:2] == before


def test_fewer_workers_take_over_the_clients_of_all(setting: Setting) -> None:
    setting.apply(config(a={"workers": 3}))
    before = setting.pids("a")
    assert not setting.apply(config(a={"workers": 1}))
    assert len(setting.pids("a")) == 1
    assert not set(setting.pids("a")) & set(before)


def test_a_key_that_needs_a_new_worker_gets_one_and_the_socket_stays(setting: Setting) -> None:
    setting.apply(config(a={}))
    pids, sockets = setting.pids("a"), setting.sockets("a")
    assert not setting.apply(config(a={"concurrency": "thread"}))
    assert setting.sockets("a") == sockets
    assert setting.pids("a") != pids
    assert not setting.fleet.leaving


def test_old_workers_drain_only_after_the_new_ones_are_ready(setting: Setting) -> None:
    setting.kinds["echo"] = replace(KINDS["echo"], hands_over=False)
    setting.apply(config(a={}))
    [old] = setting.simulation.workers
    setting.begin(config(a={"concurrency": "thread"}))
    setting.simulation.settle()
    assert old.receive() == []
    setting.simulation.workers[1].obey()
    setting.simulation.settle()
    assert old.receive()
    assert setting.outcomes == [None, None]


def test_old_workers_exit_only_after_the_new_ones_have_loaded_their_clients(
    setting: Setting,
) -> None:
    setting.apply(config(a={}))
    [old] = setting.simulation.workers
    old.clients = {1, 2}
    setting.begin(config(a={"concurrency": "thread"}))
    setting.simulation.settle()
    assert old.obey()
    setting.simulation.settle()
    [_, new] = setting.simulation.workers
    assert not old.serves
    assert old.receive() == []
    new.obey()
    assert not new.serves
    assert (new.loaded, new.clients) == ({1, 2}, set())
    setting.simulation.obey()
    assert (new.serves, new.clients) == (True, {1, 2})
    assert old.is_dismissed
    assert setting.outcomes == [None, None]


def test_a_handover_that_takes_too_long_is_abandoned(setting: Setting) -> None:
    setting.apply(config(a={}))
    before = setting.picture()
    [old] = setting.simulation.workers
    setting.begin(config(a={"concurrency": "thread"}))
    setting.simulation.advance(6)
    assert "no handover within 5 s by a (pid" in str(setting.outcomes[-1])
    old.obey()
    setting.simulation.settle()
    assert old.serves
    assert setting.picture() == before


@pytest.mark.parametrize("refuser", range(3))
def test_if_all_workers_refuse_a_reload_nothing_has_changed(setting: Setting, refuser: int) -> None:
    setting.apply(config(a={"workers": 2}, b={}))
    before = setting.picture()
    setting.begin(config(a={"workers": 2, "tag": True}, b={"concurrency": "thread"}))
    replies: list[LinkMessage] = [*itertools.repeat(Ready(), refuser), Failed("no room")]
    setting.simulation.obey(itertools.chain(replies, READY))
    assert "no room" in str(setting.outcomes[-1])
    assert setting.picture() == before
    assert len(setting.simulation.workers) == 3
    assert setting.fleet.is_well


def test_the_successor_of_a_worker_that_ends_is_awaited(setting: Setting) -> None:
    setting.apply(config(a={}))
    [pid] = setting.pids("a")
    setting.begin(config(a={"tag": True}, b={}))
    for worker in setting.simulation.workers:
        worker.end()
        setting.simulation.settle()
    setting.simulation.obey()
    assert setting.outcomes[-1] is None
    assert setting.pids("a") != [pid]
    assert setting.fleet.listeners["b"].is_well


def test_a_worker_that_ends_twice_before_it_replies_rolls_back(setting: Setting) -> None:
    setting.apply(config(a={}))
    before = setting.picture()
    setting.begin(config(a={}, b={}))
    for _ in range(2):
        setting.simulation.workers[1].end()
        setting.simulation.settle()
    assert "listeners.b: worker" in str(setting.outcomes[-1])
    assert setting.picture() == before


def test_a_worker_that_never_replies_rolls_back_in_time(setting: Setting) -> None:
    setting.apply(config(a={}))
    before = setting.picture()
    setting.begin(config(a={"tag": True}))
    setting.simulation.advance(10)
    assert "no answer within 10 s from a (pid" in str(setting.outcomes[-1])
    assert setting.picture() == before


def test_a_worker_that_cannot_be_started_again_is_the_reason(setting: Setting) -> None:
    setting.apply(config(a={}))
    setting.begin(config(a={"tag": True}))
    setting.simulation.spawn_error = OSError(errno.EAGAIN, "no room")
    setting.simulation.workers[0].end()
    setting.simulation.advance(10)
    assert str(setting.outcomes[-1]).endswith("from a (no process): cannot be started: no room")


def test_a_worker_that_takes_no_message_is_the_reason(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    setting.apply(config(a={}))
    monkeypatch.setattr(socket, "send_fds", refuse)
    setting.begin(config(a={"tag": True}))
    setting.simulation.advance(10)
    reason = f"from a (pid {setting.pids('a')[0]}): a message waits: cannot allocate memory"
    assert str(setting.outcomes[-1]).endswith(reason)


def test_a_taken_address_rolls_back(setting: Setting) -> None:
    setting.apply(config(a={}))
    before = setting.picture()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        assert "already in use" in setting.apply(config(a={}, b={"address": address}))
    assert setting.picture() == before


def test_a_system_without_room_for_a_process_rolls_back(setting: Setting) -> None:
    setting.apply(config(a={}))
    before = setting.picture()
    setting.simulation.spawn_error = OSError(errno.EAGAIN, "no room")
    assert setting.apply(config(a={}, b={})) == "cannot start a worker: no room"
    assert setting.picture() == before


def announced(worker: SimulatedWorker) -> list[set[int | str]]:
    """The sets of the daemon's addresses that a worker has received."""
    messages = worker.receive()
    return [
        set(message.datagram_names) for message in messages if isinstance(message, OwnAddresses)
    ]


def test_every_worker_knows_the_daemon_s_udp_ports(setting: Setting) -> None:
    udp = {"address": "udp://127.0.0.1:0"}
    setting.apply(config(a=udp))
    [first] = setting.simulation.workers
    setting.begin(config(a=udp, b=udp))
    setting.simulation.settle()
    second = setting.simulation.workers[1]
    both = set(setting.fleet.table.datagram_names())
    assert (len(both), announced(first), announced(second)) == (2, [both], [both])
    second.send(Ready())
    setting.simulation.settle()
    first.end()
    setting.simulation.settle()
    assert announced(setting.simulation.workers[-1]) == [both]
    setting.begin(config(b=udp))
    setting.simulation.settle()
    remaining = set(setting.fleet.table.datagram_names())
    assert (len(remaining), announced(second)) == (1, [remaining])


def test_a_listener_s_totals_outlive_its_workers(setting: Setting) -> None:
    setting.apply(config(a={"workers": 2}))
    assert setting.fleet.listeners["a"].counters.totals["accepted"] == 2
    setting.apply(config(a={"workers": 1}))
    assert len(setting.pids("a")) == 1
    assert setting.fleet.listeners["a"].counters.totals["accepted"] == 2 + 1


def test_a_listener_s_totals_outlive_its_replacement(setting: Setting) -> None:
    setting.apply(config(a={}))
    old = setting.fleet.listeners["a"].workers
    setting.begin(config(a={"concurrency": "thread"}))
    setting.simulation.settle()
    setting.simulation.workers[0].obey()
    setting.simulation.settle()
    setting.simulation.workers[1].obey()
    setting.simulation.settle()
    assert setting.fleet.listeners["a"].draining == old
    assert setting.fleet.listeners["a"].counters.totals["accepted"] == 2
    setting.simulation.obey()
    assert setting.fleet.listeners["a"].draining == []
    assert setting.fleet.listeners["a"].counters.totals["accepted"] == 2


def test_a_worker_that_finishes_by_itself_has_a_successor(setting: Setting) -> None:
    setting.apply(config(a={}))
    [worker] = setting.fleet.listeners["a"].workers
    setting.fleet.replace(worker)
    setting.simulation.workers[0].end()
    setting.simulation.obey()
    [successor] = setting.fleet.listeners["a"].workers
    assert successor is not worker
    assert setting.fleet.listeners["a"].draining == []


def test_a_roll_back_that_fails_ends_the_reload_all_the_same(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting.apply(config(a={}))

    def fail(*_: object) -> None:
        raise OSError(errno.ENOBUFS, "no buffer")

    setting.begin(config(a={}, b={}))
    monkeypatch.setattr(setting.fleet.table, "keep_only", fail)
    assert setting.reload is not None
    with pytest.raises(OSError, match="no buffer"):
        setting.reload.abort(ReloadError("on purpose"))
    assert [str(error) for error in setting.outcomes] == ["None", "on purpose"]
    monkeypatch.undo()
    assert not setting.apply(config(a={}))

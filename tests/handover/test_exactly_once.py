"""Restarts, upgrades and reloads with new workers, of which no client may notice anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartManaged
from tests.handover.events import Managed
from tests.handover.loading import Load, faults
from tests.handover.record import Spec
from tests.handover.scenario import Scenario
from tests.support import stop_process, wait_until


@pytest.mark.parametrize(("event", "count"), [("reload", 4), ("restart", 3), ("upgrade", 1)])
def test_no_client_loses_or_sees_anything(
    start_managed: StartManaged, tmp_path: Path, event: str, count: int
) -> None:
    managed = Managed.start(start_managed, tmp_path)
    pid = managed.systemd.pid
    with Load(managed.scenario.specs(members=3, held=1)) as load:
        for number in range(count):
            load.event(managed.events[event], staged=number % 5 == 0, steps=1)
        report = load.finish()
    assert faults(report) == []
    assert (managed.systemd.pid == pid) == (event != "restart")
    wait_until(managed.daemon.serves, "the new workers alone")


def test_events_may_follow_each_other(start_managed: StartManaged, tmp_path: Path) -> None:
    managed = Managed.start(start_managed, tmp_path)
    with Load(managed.scenario.specs(members=2, held=1)) as load:
        for event in ("restart", "reload", "upgrade", "stray signal"):
            load.event(managed.events[event], staged=False, steps=1)
        report = load.finish()
    assert faults(report) == []


def test_a_restart_may_come_in_the_middle_of_a_reload(
    start_managed: StartManaged, tmp_path: Path
) -> None:
    managed = Managed.start(start_managed, tmp_path)
    with Load(managed.scenario.specs(members=2, held=1)) as load:
        for event in ("restart", "stray signal"):
            load.event(managed.during_reload(event), staged=False, steps=1)
        report = load.finish()
    assert faults(report) == []


def test_descriptors_may_come_in_another_order(start_managed: StartManaged, tmp_path: Path) -> None:
    managed = Managed.start(start_managed, tmp_path)
    managed.systemd.reexecs_in_restarts = True
    with Load(managed.scenario.specs(members=2, held=1)) as load:
        load.event(managed.systemd.restart, staged=False, steps=1)
        report = load.finish()
    assert faults(report) == []


def test_if_nothing_can_be_stored_clients_are_disconnected_but_none_is_refused(
    start_managed: StartManaged, tmp_path: Path
) -> None:
    managed = Managed.start(start_managed, tmp_path, replies_to_barriers=False)
    wanted = ("echo held", "echo new", "http kept", "http new", "chat member")
    specs = [spec for spec in managed.scenario.specs(members=2, held=1) if spec.type in wanted]
    with Load(specs) as load:
        load.event(managed.events["stray signal"])
        noted = {fault for counts in load.take_faults().values() for fault in counts}
    assert noted
    assert noted <= {"dropped", "reset", "lost"}


def test_a_worker_that_hangs_in_a_restart_costs_only_its_own_clients(
    start_managed: StartManaged, tmp_path: Path
) -> None:
    managed = Managed.start(start_managed, tmp_path)
    wanted = ("echo held", "http kept", "chat member")
    specs = [spec for spec in managed.scenario.specs(members=2, held=1) if spec.type in wanted]

    def restart() -> None:
        stop_process(managed.daemon.pids("lounge")[0])
        managed.systemd.restart()

    with Load(specs) as load:
        load.event(restart)
        noted = load.take_faults()
    assert noted
    assert {name.partition(" ")[0] for name in noted} == {"chat"}


@pytest.mark.usefixtures("many_descriptors")
def test_many_clients_travel_in_several_messages(
    start_managed: StartManaged, tmp_path: Path
) -> None:
    scenario = Scenario(tmp_path)
    managed = Managed.start(start_managed, tmp_path, scenario)
    paths = {"paths": {"/hello": "hello"}, "pace_s": 2.0}
    specs = [
        Spec("http kept", scenario.address("web"), 600, "http kept", paths),
        Spec("chat member", scenario.address("lounge"), 5, "chat member"),
        Spec(
            "chat member",
            scenario.address("lounge"),
            300,
            "chat silent",
            {"talks": False, "prefix": "s"},
        ),
        Spec("echo held", scenario.address("thread"), 60, "echo held", {"pace_s": 1.0}),
    ]
    with Load(specs) as load:
        for event in ("restart", "reload"):
            load.event(managed.events[event], steps=1)
        report = load.finish()
    assert faults(report) == []

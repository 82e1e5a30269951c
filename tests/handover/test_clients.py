"""The clients notice what they are there to notice, and nothing else."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.conftest import StartManaged
from tests.handover.loading import Load, faults
from tests.handover.scenario import Scenario
from tests.played_systemd import ManagedDaemon


def start(start_managed: StartManaged, directory: Path) -> tuple[Scenario, ManagedDaemon]:
    """A daemon that drains when it is restarted."""
    scenario = Scenario(directory)
    return scenario, start_managed(scenario.text(), restart_signal=signal.SIGTERM)


def test_undisturbed_clients_report_nothing(start_managed: StartManaged, tmp_path: Path) -> None:
    scenario, _ = start(start_managed, tmp_path)
    specs = scenario.specs(members=3, held=1)
    with Load(specs) as load:
        load.event(lambda: None)
        report = load.finish()
    assert faults(report) == []
    assert {spec.name for spec in specs} == set(report)
    assert all(group.clients for group in report.values())


def test_clients_that_are_cut_say_so(start_managed: StartManaged, tmp_path: Path) -> None:
    scenario, daemon = start(start_managed, tmp_path)
    wanted = ("held fork", "bulk thread tcp", "http kept", "http new", "chat member", "watcher")
    specs = [
        spec
        for spec in scenario.specs(members=3, held=1)
        if any(words in spec.name for words in wanted)
    ]
    with Load(specs) as load:
        load.event(daemon.systemd.restart)
        report = load.finish()
        assert max(load.pauses["http new"]) > 0.1
    noted = {name: set(group.faults) for name, group in report.items()}
    assert noted["echo held fork tcp"] & {"dropped", "reset"}
    assert noted["echo held fork unix"] >= {"refused"}
    assert noted["echo bulk thread tcp"] & {"dropped", "reset"}
    assert noted["http kept"] & {"dropped", "reset"}
    assert noted["http new"] == set()
    assert noted["chat member"] >= {"dropped"}
    assert noted["chat watcher"] >= {"dropped", "shown"}

from __future__ import annotations

import contextlib
import errno
import signal
import socket
from collections.abc import Iterator

import pytest

from netd.config.address import Address
from netd.config.model import ListenerOptions
from netd.config.schema import read_options
from netd.listeners import echo
from netd.listeners.echo.options import EchoOptions
from netd.protocols.link import Configure, Drain, Failed, Heartbeat, Ready, Retiring, Status
from netd.runtime import process
from netd.supervisor.lifecycle import WorkerState
from netd.supervisor.worker_handle import WorkerHandle
from tests.supervisor.simulation import SimulatedWorker, Simulation

OPTIONS: ListenerOptions = read_options(EchoOptions, {"address": "tcp://127.0.0.1:0"})
KILLED = process.Exit(signal.SIGKILL, by_signal=True)


class Recorder:
    """Notes the events of a worker."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def on_ready(self, _worker: WorkerHandle) -> None:
        self.events.append("ready")

    def on_failed(self, _worker: WorkerHandle, reason: str) -> None:
        self.events.append(f"failed: {reason}")

    def on_crashed(self, _worker: WorkerHandle, reason: str) -> None:
        self.events.append(f"crashed: {reason}")

    def on_ended(self, _worker: WorkerHandle) -> None:
        self.events.append("ended")

    def on_retiring(self, _worker: WorkerHandle) -> None:
        self.events.append("retiring")

    def on_status_requested(self, worker: WorkerHandle) -> None:
        worker.send_status({"state": "serving"})

    def on_reload_requested(self, worker: WorkerHandle) -> None:
        worker.send_reload_result(ok=True, detail="nothing changed")


class Setting:
    """One handle, its simulated processes, and the events that it reported."""

    def __init__(self) -> None:
        self.simulation = Simulation()
        self.recorder = Recorder()
        self.handle = WorkerHandle(
            self.simulation.loop, self.recorder, "echo", echo.KIND, self.simulation.spawn
        )
        self.sock = socket.create_server(("127.0.0.1", 0))

    @property
    def state(self) -> str:
        return str(self.handle.state)

    @property
    def worker(self) -> SimulatedWorker:
        [worker] = self.simulation.workers
        return worker

    def start(self) -> SimulatedWorker:
        self.handle.start(OPTIONS, [(Address.parse("tcp://127.0.0.1:0"), self.sock)])
        return self.worker

    def serve(self) -> SimulatedWorker:
        worker = self.start()
        worker.obey()
        self.simulation.settle()
        return worker


@pytest.fixture
def setting() -> Iterator[Setting]:
    setting = Setting()
    with setting.sock, contextlib.closing(setting.simulation):
        yield setting


def test_a_worker_that_reports_why_it_is_degraded_is_not_well(setting: Setting) -> None:
    worker = setting.serve()
    worker.send(Heartbeat(degraded="no descriptor is left"))
    setting.simulation.settle()
    assert (setting.handle.is_well, setting.handle.problem) == (False, "no descriptor is left")
    worker.send(Heartbeat())
    setting.simulation.settle()
    assert (setting.handle.is_well, setting.handle.problem) == (True, "")


def test_it_is_configured_and_serves_once_it_is_ready(setting: Setting) -> None:
    worker = setting.start()
    [configure] = worker.receive()
    assert isinstance(configure, Configure)
    assert (configure.listener, list(configure.sockets)) == ("echo", ["tcp://127.0.0.1:0"])
    assert (setting.state, setting.handle.pid) == (WorkerState.STARTING, worker.process.pid)
    worker.send(Ready())
    setting.simulation.settle()
    assert (setting.state, setting.recorder.events) == (WorkerState.SERVING, ["ready"])
    assert setting.handle.is_well


def test_a_worker_that_ends_is_replaced_after_growing_delays(
    setting: Setting,
) -> None:
    setting.serve().end(KILLED)
    setting.simulation.settle()
    assert (setting.handle.restarts, setting.handle.report.last_error) == (1, "killed by SIGKILL")
    setting.simulation.obey()
    assert setting.state == WorkerState.SERVING
    assert setting.handle.is_well
    setting.worker.end(KILLED)
    setting.simulation.settle()
    assert setting.state == WorkerState.BACKOFF
    setting.simulation.advance(0.2)
    assert setting.state == WorkerState.BACKOFF
    setting.simulation.advance(0.2)
    setting.simulation.obey()
    assert setting.state == WorkerState.SERVING
    assert not setting.handle.is_well


def test_at_most_ten_start_in_a_minute(setting: Setting) -> None:
    setting.start()
    for _ in range(600):
        for worker in setting.simulation.workers:
            worker.end(KILLED)
        setting.simulation.advance(0.1)
    assert setting.simulation.started <= 10


def test_totals_outlive_a_process_and_gauges_do_not(setting: Setting) -> None:
    worker = setting.serve()
    worker.send(Heartbeat({"accepted": 3}, {"connections": 2, "members": 2}))
    setting.simulation.settle()
    assert setting.handle.counters.gauges == {"connections": 2, "members": 2}
    worker.end(KILLED)
    setting.simulation.settle()
    assert setting.handle.counters.as_dict() == {"accepted": 3}
    setting.worker.send(Heartbeat({"accepted": 1}, {"connections": 1, "members": 1}))
    setting.simulation.settle()
    assert setting.handle.counters.totals == {"accepted": 4}
    assert setting.handle.counters.gauges == {"connections": 1, "members": 1}


def test_a_silent_process_is_killed_and_replaced(setting: Setting) -> None:
    setting.serve()
    setting.simulation.advance(9)
    setting.handle.kill_if_silent(10)
    assert setting.worker.exit is None
    setting.simulation.advance(2)
    setting.handle.kill_if_silent(10)
    setting.simulation.settle()
    report = setting.handle.report
    assert (setting.handle.restarts, report.last_error) == (1, "no heartbeat for 11 s")


def test_a_process_that_misses_heartbeats_is_unresponsive(setting: Setting) -> None:
    worker = setting.serve()
    setting.simulation.advance(4)
    assert (setting.handle.is_silent, setting.handle.is_well) == (True, False)
    assert setting.handle.problem == "no heartbeat for 4 s"
    worker.obey()
    setting.simulation.settle()
    assert (setting.handle.is_silent, setting.handle.is_well) == (False, True)
    assert setting.handle.problem == ""


def test_a_process_that_cannot_be_killed_is_left_behind(setting: Setting) -> None:
    frozen = setting.serve()
    frozen.freeze()
    for _ in range(18):
        setting.simulation.advance(1)
        setting.handle.kill_if_silent(10)
    setting.simulation.settle()
    assert setting.handle.pid not in (None, frozen.process.pid)
    assert setting.handle.report.last_error == "no heartbeat for 11 s"
    successor = setting.simulation.workers[1]
    successor.obey()
    setting.simulation.settle()
    assert setting.state == WorkerState.SERVING
    frozen.thaw()
    setting.simulation.settle()
    assert (setting.state, setting.handle.pid) == (WorkerState.SERVING, successor.process.pid)


def test_a_stop_ends_without_a_process_that_cannot_be_killed(setting: Setting) -> None:
    frozen = setting.serve()
    frozen.freeze()
    setting.handle.drain(0, stopping=True)
    setting.handle.kill()
    for _ in range(7):
        setting.simulation.advance(1)
        setting.handle.kill_if_silent(10)
    assert setting.recorder.events == ["ready", "ended"]


def test_a_process_without_a_configuration_that_it_can_use_is_ended(setting: Setting) -> None:
    worker = setting.start()
    worker.send(Failed("no certificate"))
    setting.simulation.settle()
    assert worker.exit == KILLED
    assert setting.recorder.events == ["failed: no certificate"]
    assert setting.handle.report.last_error == "no certificate"


def test_a_refused_configuration_leaves_the_previous_one(setting: Setting) -> None:
    worker = setting.serve()
    setting.handle.configure(OPTIONS, [])
    worker.obey(iter([Failed("no room")]))
    setting.simulation.settle()
    assert worker.exit is None
    assert (setting.state, setting.recorder.events) == (
        WorkerState.SERVING,
        ["ready", "failed: no room"],
    )


def test_a_worker_that_ends_before_it_replies_has_crashed(setting: Setting) -> None:
    worker = setting.serve()
    setting.handle.configure(OPTIONS, [])
    worker.end(KILLED)
    setting.simulation.settle()
    pid = worker.process.pid
    assert setting.recorder.events == ["ready", f"crashed: worker {pid} ended: killed by SIGKILL"]


def test_a_worker_that_ends_before_it_hands_over_is_logged(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    worker = setting.serve()
    setting.handle.hand_over(2.0, lambda handle, _: handle.dismiss())
    worker.end(KILLED)
    setting.simulation.settle()
    assert setting.recorder.events == ["ready", "ended"]
    text = "ended (killed by SIGKILL) before it handed over its clients"
    assert caplog.messages == [f"echo: worker {worker.process.pid} {text}"]


def test_new_options_start_a_worker_that_waits_for_its_restart(setting: Setting) -> None:
    setting.serve().end(KILLED)
    setting.simulation.obey()
    setting.worker.end(KILLED)
    setting.simulation.settle()
    assert not setting.simulation.workers
    setting.handle.configure(OPTIONS, [])
    assert setting.simulation.workers


def test_a_worker_that_drains_ends_and_is_not_replaced(setting: Setting) -> None:
    worker = setting.serve()
    setting.handle.drain(1.5, stopping=True)
    assert worker.receive() == [Drain(1.5, stopping=True)]
    worker.end()
    setting.simulation.advance(60)
    assert setting.recorder.events == ["ready", "ended"]
    assert (setting.state, setting.handle.pid) == (WorkerState.ENDED, None)


def test_a_worker_that_waits_for_its_restart_drains_at_once(setting: Setting) -> None:
    setting.serve().end(KILLED)
    setting.simulation.obey()
    setting.worker.end(KILLED)
    setting.simulation.settle()
    setting.handle.drain(None, stopping=False)
    setting.simulation.advance(60)
    assert (setting.recorder.events[-1], setting.simulation.workers) == ("ended", [])


def test_a_fork_that_the_system_refuses_is_tried_again(setting: Setting) -> None:
    worker = setting.serve()
    setting.simulation.spawn_error = OSError(errno.EAGAIN, "no room")
    worker.end(KILLED)
    setting.simulation.settle()
    assert setting.handle.report.last_error == "cannot be started: no room"
    assert setting.state == WorkerState.BACKOFF
    setting.simulation.spawn_error = None
    setting.simulation.advance(2)
    setting.simulation.obey()
    assert setting.state == WorkerState.SERVING


def test_the_first_start_raises_the_error_of_the_system(setting: Setting) -> None:
    setting.simulation.spawn_error = OSError(errno.EAGAIN, "no room")
    with pytest.raises(OSError, match="no room"):
        setting.start()


def test_a_line_that_is_no_message_ends_the_process(setting: Setting) -> None:
    worker = setting.serve()
    worker.send(b"{}\n")
    setting.simulation.settle()
    assert worker.exit == KILLED
    assert "not a link message" in setting.handle.report.last_error


def test_last_messages_of_a_process_are_read(setting: Setting) -> None:
    worker = setting.serve()
    worker.send(Retiring())
    worker.send(Heartbeat({"accepted": 9}))
    worker.end(KILLED)
    setting.simulation.settle()
    assert "retiring" in setting.recorder.events
    assert setting.handle.counters.totals["accepted"] == 9


def test_a_reply_to_a_process_that_has_gone_goes_nowhere(setting: Setting) -> None:
    worker = setting.serve()
    setting.handle.send_status({"state": "serving"})
    assert worker.receive() == [Status({"state": "serving"})]
    setting.handle.drain(None, stopping=False)
    worker.end()
    setting.simulation.settle()
    setting.handle.send_status({})
    setting.handle.send_reload_result(ok=True, detail="")
    setting.handle.kill()

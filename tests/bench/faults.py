"""The effect on clients when a server's processes, its configuration or its log fail.

Each fault is caused on a new instance of each server, on loopback, and takes a bounded time. A fact
is a time, a count, or yes or no.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self

from tests.bench.faults_peers import FAULTY_LINE, PEERS, Instance, Peer
from tests.bench.processes import free_descriptor, is_alive, is_stopped, set_descriptor_limit
from tests.bench.usage import cpu_s, reaped_cpu_s

_LOADERS: Final = 4
_CLIENT_S: Final = 5.0
_LOAD_S: Final = 1.0  # before and after a fault
_BACK_S: Final = 15.0  # in which a server that recovers at all is to serve again
_HANG_S: Final = 45.0  # the same, for a worker that hangs
_CRASHES_S: Final = 10.0
_BACK_AFTER_CRASHES_S: Final = 75.0
_EXHAUSTED_S: Final = 3.0
_MANY_DESCRIPTORS: Final = 1024
_STARTED_S: Final = 5.0  # after which a second start has failed or not
_RELOADED_S: Final = 10.0
_RELOADS: Final = 20
_BETWEEN_RELOADS_S: Final = 0.3  # HAProxy loses a signal that follows a reload at once
_NAMES_LINE: Final = re.compile(rf"(line:? |\.\w+:){FAULTY_LINE}\b")

Facts = dict[str, str]


def _worker_killed(instance: Instance) -> Facts:
    _start(instance)
    with _Load(instance) as load:
        time.sleep(_LOAD_S)
        _kill(instance.workers())
        killed_at = time.monotonic()
        back = instance.await_text("first", _BACK_S)
        time.sleep(_LOAD_S)
    return {
        "requests lost": f"{load.lost} of {load.lost + load.served}" if back else "all that follow",
        "served again after": _seconds(load.first_served_after(killed_at), _BACK_S),
    }


def _worker_hung(instance: Instance) -> Facts:
    _start(instance)
    hung = instance.workers()
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    while not all(map(is_stopped, hung)):
        time.sleep(0.001)
    back = instance.await_text("first", _HANG_S)
    for pid in hung:
        if is_alive(pid):
            os.kill(pid, signal.SIGCONT)
    return {"served again after": _seconds(back, _HANG_S)}


def _master_killed(instance: Instance) -> Facts:
    """A second start follows at once, with another text, so it is seen which one answers."""
    _start(instance)
    old = instance.processes()
    instance.write("second")
    _kill(old[:1])
    instance.master.wait()
    instance.start()
    time.sleep(_STARTED_S)
    answers = [instance.answer(1.0) for _ in range(20)]
    left = sum(map(is_alive, old))
    status = instance.master.poll()
    if status is None:
        start = "yes" if "second" in answers else "no, it runs without serving"
    else:
        start = f"no, exit status {status}"
    return {
        "old processes left after 5 s": f"{left}, serving" if "first" in answers else str(left),
        "a start at once succeeds": start,
    }


def _bad_configuration(instance: Instance) -> Facts:
    _start(instance)
    seen = len(instance.log)
    instance.write("second", is_faulty=True)
    status, output = instance.reload()
    time.sleep(2.0)
    answer = instance.answer(_CLIENT_S)
    message = output + instance.log[seen:]
    return {
        "still serves": {"first": "yes", "second": "yes, all but the fault"}.get(
            answer or "", "no"
        ),
        "exit status": "a signal" if status is None else str(status),
        "the message names the line": _yes(bool(_NAMES_LINE.search(message))),
    }


def _crash_loop(instance: Instance) -> Facts:
    """Kill each worker as soon as it is there, for ten seconds."""
    _start(instance)
    master = instance.master.pid
    started: set[int] = set()
    before = _all_cpu_s(master)
    until = time.monotonic() + _CRASHES_S
    while time.monotonic() < until and is_alive(master):
        workers = instance.workers()
        started.update(workers)
        _kill(workers)
        time.sleep(0.005)
    cpu = _all_cpu_s(master) - before if is_alive(master) else None
    back = instance.await_text("first", _BACK_AFTER_CRASHES_S) if cpu is not None else None
    return {
        "starts in 10 s": str(len(started) - 1) if cpu is not None else "0, the server ends",
        "processor time": "" if cpu is None else f"{cpu:.2f} s",
        "served again after": _seconds(back, _BACK_AFTER_CRASHES_S),
    }


def _no_descriptors(instance: Instance) -> Facts:
    """Let no process have more descriptors than it has, and connect twenty clients."""
    _start(instance)
    processes = instance.processes()
    for pid in processes:
        set_descriptor_limit(pid, free_descriptor(pid))
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(instance.answer, _EXHAUSTED_S + _CLIENT_S) for _ in range(20)]
        time.sleep(max(0.0, began + _EXHAUSTED_S - time.monotonic()))
        meanwhile = sum(answer.done() and answer.result() == "first" for answer in answers)
        for pid in filter(is_alive, processes):
            set_descriptor_limit(pid, _MANY_DESCRIPTORS)
        back = instance.await_text("first", _BACK_S)
        served = sum(answer.result() == "first" for answer in answers)
    return {
        "clients served meanwhile": f"{meanwhile} of 20",
        "afterwards": f"{served - meanwhile} of 20",
        "lost": f"{20 - served} of 20",
        "new clients are served after": _seconds(back, _BACK_S),
    }


def _log_is_a_file(instance: Instance) -> Facts:
    """The control: nothing fails."""
    instance.start()
    return _serve_and_reload(instance, lambda: None)


def _log_unread(instance: Instance) -> Facts:
    """Standard error is a pipe that is read no more, and full."""
    reader, writer = os.pipe()
    filler = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK)

    def fill() -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(filler, b"\n")

    instance.start(writer)
    try:
        return _serve_and_reload(instance, fill)
    finally:
        for fd in (reader, writer, filler):
            os.close(fd)


def _log_closed(instance: Instance) -> Facts:
    """Standard error is a pipe whose reader goes away."""
    reader, writer = os.pipe()
    instance.start(writer)
    os.close(writer)
    return _serve_and_reload(instance, lambda: os.close(reader))


def _disk_full(instance: Instance) -> Facts:
    """Standard error and the access log are /dev/full, full(4)."""
    full = os.open("/dev/full", os.O_WRONLY)
    instance.start(full)
    os.close(full)
    return _serve_and_reload(instance, lambda: None)


def _serve_and_reload(instance: Instance, fail: Callable[[], None]) -> Facts:
    is_started = instance.await_text("first") is not None
    fail()
    if not is_started:
        return {"starts": "no", "clients served": "", "reloads in effect": ""}
    served = sum(instance.answer(_CLIENT_S) == "first" for _ in range(20))
    reloaded = 0
    for turn in range(_RELOADS):
        time.sleep(_BETWEEN_RELOADS_S)
        instance.write(f"text{turn}")
        instance.reload()
        if instance.await_text(f"text{turn}", _RELOADED_S) is None:
            break
        reloaded += 1
    return {
        "starts": "yes",
        "clients served": f"{served} of 20",
        "reloads in effect": f"{reloaded} of {_RELOADS}",
    }


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and what causes it and observes."""

    name: str
    cause: Callable[[Instance], Facts]
    access_log: str = ""


FAULTS: Final = (
    Fault("worker killed under load", _worker_killed),
    Fault("worker stopped (SIGSTOP)", _worker_hung),
    Fault("first process killed", _master_killed),
    Fault("bad configuration at a reload", _bad_configuration),
    Fault("each worker killed at once, for 10 s", _crash_loop),
    Fault("no free descriptor for 3 s", _no_descriptors),
    Fault("no fault", _log_is_a_file),
    Fault("standard error is a full pipe", _log_unread),
    Fault("the reader of standard error has gone", _log_closed),
    Fault("disk full for the logs", _disk_full, "/dev/full"),
)


def report(only: str, server: str) -> str:
    """Cause the faults whose name contains `only`; returns a Markdown table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no server is left behind
    peers = [peer for peer in PEERS if server in peer.name and _is_installed(peer)]
    rows = [_row(["fault", *(peer.name for peer in peers)])]
    rows.append(f"|---|{'---|' * len(peers)}")
    for fault in FAULTS:
        if only in fault.name:
            columns = [_facts(fault, peer) for peer in peers]
            names = dict.fromkeys(name for facts in columns for name in facts)
            rows += [
                _row([f"{fault.name}: {name}", *(facts.get(name, "") for facts in columns)])
                for name in names
            ]
    return "\n".join(rows)


def _facts(fault: Fault, peer: Peer) -> Facts:
    with Instance.prepared(peer, access_log=fault.access_log) as instance:
        try:
            facts = fault.cause(instance)
        except AssertionError as error:
            print(instance.log[-2000:], file=sys.stderr)
            facts = {"not measured": str(error)}
    print(f"{fault.name}: {peer.name}: {facts}", file=sys.stderr, flush=True)
    return facts


def _is_installed(peer: Peer) -> bool:
    found = shutil.which(peer.command[0]) is not None
    if not found:
        print(f"{peer.name} is left out: install {peer.package}", file=sys.stderr)
    return found


class _Load:
    """Clients that connect and ask again and again; each client has a thread."""

    def __init__(self, instance: Instance) -> None:
        self.lost = self.served = 0
        self._served_at: list[tuple[float, float]] = []
        self._instance = instance
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(_LOADERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def first_served_after(self, moment: float) -> float | None:
        """The seconds until the first answer to a request that began after a moment."""
        ends = [end - moment for began, end in self._served_at if began >= moment]
        return min(ends, default=None)

    def _run(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            is_served = self._instance.answer(_CLIENT_S) == "first"
            with self._lock:
                self.served += is_served
                self.lost += not is_served
                if is_served:
                    self._served_at.append((began, time.monotonic()))
            if not is_served:
                self._ended.wait(0.01)


def _start(instance: Instance) -> None:
    instance.start()
    assert instance.await_text("first") is not None, "it does not start"
    time.sleep(0.5)  # until all its processes are there
    instance.processes()


def _kill(pids: Sequence[int]) -> None:
    """Kill processes, and wait until they have ended."""
    for pid in pids:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    while any(map(is_alive, pids)):
        time.sleep(0.001)


def _all_cpu_s(pid: int) -> float:
    """The processor time of a process and of the children that have ended."""
    return cpu_s([pid]) + reaped_cpu_s(pid)


def _seconds(found: float | None, limit_s: float) -> str:
    if found is None:
        return f"never ({limit_s:.0f} s)"
    return f"{found:.1f} s" if found >= 1 else f"{found * 1000:.0f} ms"


def _yes(holds: bool) -> str:  # noqa: FBT001 (the only argument)
    return "yes" if holds else "no"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

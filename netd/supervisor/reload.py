"""Puts a configuration to work without dropping anybody, or leaves everything as it was.

Three steps, each begun when the one before is proven:

1. prove the new: open every new socket, start every new worker, wait until each is ready;
2. reconfigure: hand the live changes to the running workers, wait until each took them;
3. switch: the new listeners are in force, the old workers drain, unused sockets close.

Whatever fails before the switch rolls back: new workers end, new sockets close, and workers
that took new options get their old ones again.
"""

from __future__ import annotations

from collections.abc import Callable

from netd.config.model import Config, ListenerOptions
from netd.errors import ApplyError, BindError, NetdError
from netd.runtime.loop import Loop, Timer
from netd.supervisor.fleet import Fleet
from netd.supervisor.listener import Listener
from netd.supervisor.plan import diff
from netd.supervisor.worker_handle import WorkerHandle


class Reload:
    """One change of configuration; `on_done` hears None, or why nothing was changed."""

    def __init__(
        self, loop: Loop, fleet: Fleet, desired: Config, on_done: Callable[[NetdError | None], None]
    ) -> None:
        self.plan = diff(fleet.config, desired)
        self._loop = loop
        self._fleet = fleet
        self._desired = desired
        self._on_done = on_done
        self._fresh: dict[str, Listener] = {}
        self._old_workers: dict[str, list[WorkerHandle]] = {}
        self._asked: list[tuple[WorkerHandle, ListenerOptions]] = []
        self._pending: set[WorkerHandle] = set()
        self._next_step: Callable[[], None] = self._reconfigure
        self._deadline: Timer | None = None

    def begin(self) -> None:
        """Prove the new; the other steps follow as the workers answer."""
        try:
            self._open_sockets()
            self._start_new_listeners()
            self._start_more_workers()
        except BindError as error:
            self.abort(error)
        except OSError as error:
            self.abort(ApplyError(f"cannot start a worker: {error.strerror}"))
        else:
            self._await_pending(then=self._reconfigure)

    def on_ready(self, worker: WorkerHandle) -> None:
        """A worker took its configuration."""
        self._pending.discard(worker)
        self._go_on_if_proven()

    def on_failed(self, worker: WorkerHandle, reason: str) -> None:
        """A worker refused its configuration or ended before it answered."""
        if worker in self._pending:
            self.abort(ApplyError(f"listeners.{worker.name}: {reason}"))

    def abort(self, error: NetdError) -> None:
        """Leave everything as it was."""
        self._stop_waiting()
        self._pending.clear()
        for listener in self._fresh.values():
            self._fleet.let_go(listener, 0, stopping=True)
        for name, old in self._old_workers.items():
            listener = self._fleet.listeners[name]
            new = [worker for worker in listener.workers if worker not in old]
            listener.retire(new, 0, stopping=True)
        for worker, options in self._asked:
            worker.configure(options, self._fleet.table.of(worker.name, options))
        self._close_unused_sockets()
        self._on_done(error)

    def _open_sockets(self) -> None:
        for name, options in self._desired.listeners.items():
            self._fleet.table.open(name, options)

    def _start_new_listeners(self) -> None:
        for name in (*self.plan.added, *self.plan.replaced):
            options = self._desired.listeners[name]
            listener = self._fresh[name] = self._fleet.new_listener(name, options)
            self._fleet.start_workers(listener, options, options.workers)
            self._pending.update(listener.workers)

    def _start_more_workers(self) -> None:
        for name in self.plan.reconfigured:
            listener, options = self._fleet.listeners[name], self._desired.listeners[name]
            old = self._old_workers[name] = list(listener.workers)
            self._fleet.start_workers(listener, options, options.workers - len(old))
            self._pending.update(worker for worker in listener.workers if worker not in old)

    def _reconfigure(self) -> None:
        for name in self.plan.reconfigured:
            listener, options = self._fleet.listeners[name], self._desired.listeners[name]
            for worker in self._old_workers[name][: options.workers]:
                self._asked.append((worker, listener.options))
                self._pending.add(worker)
                worker.configure(options, self._fleet.table.of(worker.name, options))
        self._await_pending(then=self._switch)

    def _switch(self) -> None:
        fleet, desired = self._fleet, self._desired
        for name in self.plan.reconfigured:
            listener, listener.options = fleet.listeners[name], desired.listeners[name]
            fleet.table.tune(name, listener.options)
            surplus = listener.workers[listener.options.workers :]
            listener.retire(surplus, None, stopping=False)
        for name in self.plan.replaced:
            fleet.let_go(fleet.listeners[name], None, stopping=False)
        for name in self.plan.removed:
            fleet.let_go(fleet.listeners[name], desired.netd.drain_timeout, stopping=False)
        running = fleet.listeners | self._fresh
        fleet.listeners = {name: running[name] for name in desired.listeners}
        fleet.config = desired
        self._close_unused_sockets()
        self._on_done(None)

    def _close_unused_sockets(self) -> None:
        self._fleet.table.keep_only(self._fleet.config.listeners)

    def _await_pending(self, then: Callable[[], None]) -> None:
        self._next_step = then
        self._deadline = self._loop.call_later(self._desired.netd.start_timeout, self._give_up)
        self._go_on_if_proven()

    def _go_on_if_proven(self) -> None:
        if not self._pending and self._deadline is not None:
            self._stop_waiting()
            self._next_step()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        late = ", ".join(sorted(f"{worker.name} (pid {worker.pid})" for worker in self._pending))
        waited_s = self._desired.netd.start_timeout
        self.abort(ApplyError(f"no answer within {waited_s:g} s from {late}"))

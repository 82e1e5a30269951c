"""Puts a new configuration in force without losing a connection, or leaves everything unchanged.

The start is a reload too: from a configuration without listeners. Three steps, each begun when
the previous one has succeeded:

1. prepare: open every new socket, start every new worker, wait until each one is ready;
2. reconfigure: send the changed options to the running workers, wait until each one took them;
3. hand over: freeze the workers that are replaced, and start new ones that load their clients;
4. switch: the new listeners are in force, the old workers drain, unused sockets are closed.

A failure before the switch rolls back: new workers end, new sockets are closed, and workers that
took new options get their previous ones again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence

from netd.config.model import Config, ListenerOptions
from netd.errors import DescriptorLimitError, NetdError, ReloadError
from netd.listeners.bundle import Bundle
from netd.runtime.loop import Loop, Timer
from netd.supervisor.fleet import Fleet, Listener
from netd.supervisor.handover import Handover
from netd.supervisor.plan import diff
from netd.supervisor.worker_handle import WorkerHandle


class Reload:
    """One change of configuration; `on_done` gets the error or None, and the changes.

    After an error nothing was changed.
    """

    def __init__(
        self,
        loop: Loop,
        fleet: Fleet,
        desired: Config,
        on_done: Callable[[NetdError | None, str], None],
    ) -> None:
        self.plan = diff(fleet.config, desired)
        self._restored: list[str] = []  # listeners with a new socket, whose file was removed
        self._loop = loop
        self._fleet = fleet
        self._desired = desired
        self._on_done = on_done
        self._new_listeners: dict[str, Listener] = {}
        self._old_workers: dict[str, list[WorkerHandle]] = {}
        self._previous_options: list[tuple[WorkerHandle, ListenerOptions]] = []
        self._handover: Handover | None = None
        self._awaited: set[WorkerHandle] = set()
        self._crashed: set[WorkerHandle] = set()
        self._next_step: Callable[[], None] = self._reconfigure
        self._deadline: Timer | None = None

    @property
    def changes(self) -> str:
        """The changes that the reload makes, as text: `added web; replaced echo`."""
        restored = f"; new socket files for {', '.join(self._restored)}" if self._restored else ""
        return f"{self.plan}{restored}"

    def begin(self) -> None:
        """Prepare; the other steps follow as the workers reply."""
        self._attempt(self._prepare)

    def _attempt(self, step: Callable[[], None]) -> None:
        """Take a step, or roll back if it fails."""
        try:
            step()
        except NetdError as error:
            self.abort(error)
        except OSError as error:
            kind = DescriptorLimitError if error.errno == errno.EMFILE else ReloadError
            self.abort(kind(f"cannot start a worker: {error.strerror}"))
        except Exception as error:
            self.abort(ReloadError(f"internal error: {error!r}"))
            raise

    def _prepare(self) -> None:
        self._fleet.load_services(self._desired)
        self._open_sockets()
        self._start_new_listeners()
        self._start_more_workers()
        self._await_workers(then=self._reconfigure)

    def on_ready(self, worker: WorkerHandle) -> None:
        """A worker took its configuration."""
        self._awaited.discard(worker)
        self._continue_if_ready()

    def on_failed(self, worker: WorkerHandle, reason: str) -> None:
        """A worker refused its configuration."""
        if worker in self._awaited:
            self.abort(ReloadError(f"listeners.{worker.name}: {reason}"))

    def on_crashed(self, worker: WorkerHandle, reason: str) -> None:
        """A worker ended before it replied: wait for its successor, but for no third process."""
        if worker in self._crashed:
            self.on_failed(worker, reason)
        self._crashed.add(worker)

    def abort(self, error: NetdError) -> None:
        """Roll back, and end with this error."""
        self._cancel_deadline()
        self._awaited.clear()
        try:
            self._roll_back()
        finally:
            self._finish(error)

    def _finish(self, error: NetdError | None) -> None:
        """Report the end, without a reference to itself that only the collector would free."""
        self._handover, self._next_step = None, _nothing
        self._on_done(error, self.changes)

    def _roll_back(self) -> None:
        if self._handover is not None:
            self._handover.cancel()
        for listener in self._new_listeners.values():
            self._fleet.release(listener, 0, stopping=True)
        for name, old in self._old_workers.items():
            listener = self._fleet.listeners[name]
            new = [worker for worker in listener.workers if worker not in old]
            listener.drain(new, 0, stopping=True)
        for worker, options in self._previous_options:
            self._fleet.configure(worker, options)
        self._close_unused_sockets()

    def _open_sockets(self) -> None:
        self._fleet.open_sockets(self._desired)
        self._fleet.announce_addresses()

    def _start_new_listeners(self) -> None:
        for name in (*self.plan.added, *self.plan.replaced):
            if not self._hands_over(name):
                self._start_listener(name, self._fleet.inherited.get(name, ()), needs_state=False)

    def _start_listener(self, name: str, bundles: Sequence[Bundle], *, needs_state: bool) -> None:
        options = self._desired.listeners[name]
        listener = self._new_listeners[name] = self._fleet.new_listener(name, options)
        self._fleet.start_workers(
            listener, options, range(options.workers), bundles, needs_state=needs_state
        )
        self._awaited.update(listener.workers)

    def _hands_over(self, name: str) -> bool:
        """Whether a listener's new workers take over the clients of the old ones."""
        if name not in self.plan.replaced:
            return False
        kind = self._fleet.listeners[name].kind
        return kind.hands_over and kind.name == self._desired.listeners[name].kind

    def _start_more_workers(self) -> None:
        for name in self.plan.reconfigured:
            listener, options = self._fleet.listeners[name], self._desired.listeners[name]
            old = self._old_workers[name] = list(listener.workers)
            self._fleet.start_workers(listener, options, range(len(old), options.workers))
            self._awaited.update(worker for worker in listener.workers if worker not in old)

    def _reconfigure(self) -> None:
        for name in self.plan.reconfigured:
            listener, options = self._fleet.listeners[name], self._desired.listeners[name]
            for worker in self._old_workers[name]:
                self._previous_options.append((worker, listener.options))
                self._awaited.add(worker)
                self._fleet.configure(worker, options)
        self._await_workers(then=self._hand_over)

    def _hand_over(self) -> None:
        old = [self._fleet.listeners[name] for name in self.plan.replaced if self._hands_over(name)]
        workers = [worker for listener in old for worker in listener.workers]
        self._handover = Handover(self._loop, workers, self._on_handed_over)
        self._handover.begin()

    def _on_handed_over(self, error: ReloadError | None) -> None:
        if error is not None:
            self.abort(error)
        else:
            self._attempt(self._start_successors)

    def _start_successors(self) -> None:
        assert self._handover is not None
        for name in self.plan.replaced:
            if self._hands_over(name):
                self._start_listener(name, self._handover.bundles_of(name), needs_state=True)
        self._await_workers(then=self._switch)

    def _switch(self) -> None:
        fleet, desired, handover = self._fleet, self._desired, self._handover
        assert handover is not None
        for listener in self._new_listeners.values():
            for worker in listener.workers:
                worker.go()
        for name in self.plan.reconfigured:
            listener, listener.options = fleet.listeners[name], desired.listeners[name]
            fleet.table.tune(name, listener.options)
        replaced = [fleet.listeners[name] for name in self.plan.replaced]
        for name in self.plan.removed:
            fleet.release(fleet.listeners[name], desired.netd.drain_timeout, stopping=False)
        running = fleet.listeners | self._new_listeners
        fleet.listeners = {name: running[name] for name in desired.listeners}
        fleet.config = desired
        for old in replaced:
            new = fleet.listeners[old.name]
            if new.kind is old.kind:
                new.take_over(old, handover.workers)
            else:  # counters of one kind have no meaning for another
                fleet.release(old, None, stopping=False)
        handover.commit()
        self._restore_socket_files()
        self._close_unused_sockets()  # last: it releases the sockets of every earlier Configure
        self._finish(None)

    def _restore_socket_files(self) -> None:
        """Pass the workers a new socket for each Unix socket whose file was removed."""
        fleet = self._fleet
        self._restored = list(dict.fromkeys(fleet.table.restore_files(fleet.config.listeners)))
        for name in self._restored:
            options = fleet.listeners[name].options
            for worker in fleet.listeners[name].workers:
                fleet.configure(worker, options)

    def _close_unused_sockets(self) -> None:
        self._fleet.close_unused_sockets()
        self._fleet.announce_addresses()
        for worker in self._fleet.workers:
            worker.release_sockets()

    def _await_workers(self, then: Callable[[], None]) -> None:
        self._next_step = then
        self._deadline = self._loop.call_later(self._desired.netd.start_timeout, self._on_deadline)
        self._continue_if_ready()

    def _continue_if_ready(self) -> None:
        if not self._awaited and self._deadline is not None:
            self._cancel_deadline()
            self._attempt(self._next_step)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self) -> None:
        late = "; ".join(sorted(worker.delay for worker in self._awaited))
        timeout_s = self._desired.netd.start_timeout
        self.abort(ReloadError(f"no answer within {timeout_s:g} s from {late}"))


def _nothing() -> None:
    """The step after the end."""

"""What can happen to a managed daemon without its clients noticing it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from netd.errors import ControlError
from tests.handover.scenario import Scenario
from tests.played_systemd import ManagedDaemon


class Managed:
    """A daemon under a played systemd, and the events that replace its processes, by name."""

    def __init__(self, daemon: ManagedDaemon, scenario: Scenario) -> None:
        self.daemon, self.scenario = daemon, scenario
        self.systemd = daemon.systemd
        self.events: dict[str, Callable[[], object]] = {
            "reload": self._reload,
            "restart": self.systemd.restart,
            "upgrade": self._upgrade,
            "stray signal": self._send_stray_signal,
        }

    @classmethod
    def start(
        cls,
        start_managed: Callable[..., ManagedDaemon],
        directory: Path,
        scenario: Scenario | None = None,
        **unit_options: Any,
    ) -> Self:
        """Start a daemon whose reloads replace each worker."""
        scenario = scenario or Scenario(directory)
        module = "tests.handover.replacing_netd"
        return cls(start_managed(scenario.text(), module=module, **unit_options), scenario)

    def during_reload(self, event: str) -> Callable[[], None]:
        """The event, while a reload that was begun before it is under way."""

        def act() -> None:
            def reload() -> None:
                with contextlib.suppress(ControlError):  # the reload may be abandoned
                    self.daemon.reload()

            self.scenario.generation += 1
            self.daemon.write(self.scenario.text())
            reloads = len(self.systemd.values("RELOADING"))
            reloading = threading.Thread(target=reload)
            reloading.start()
            self.systemd.await_true(
                lambda: len(self.systemd.values("RELOADING")) > reloads, "the reload to begin"
            )
            self.events[event]()
            reloading.join()

        return act

    def _reload(self) -> None:
        self.scenario.generation += 1
        self.daemon.write(self.scenario.text())
        reply = self.daemon.reload()
        assert not reply.error, reply.error

    def _upgrade(self) -> None:
        done = self.daemon.netd("upgrade")
        assert done.returncode == 0, done.stderr

    def _send_stray_signal(self) -> None:
        ended = len(self.systemd.exits)
        self.systemd.kill(signal.SIGUSR2)
        self.systemd.await_true(lambda: len(self.systemd.exits) > ended, "the end of the process")
        self.systemd.await_ready()

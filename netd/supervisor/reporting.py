"""The supervisor's log records about its listeners."""

from __future__ import annotations

import logging

from netd.config.address import Address
from netd.supervisor.fleet import Fleet
from netd.supervisor.status import describe

_log = logging.getLogger("netd")


def log_report(fleet: Fleet, now: float) -> None:
    """Log the state and the counters of each listener. `now` is the loop's clock."""
    for entry in describe(fleet, now):
        pids = ", ".join(f"{w['pid']} {w['state']}" for w in entry["workers"])
        counters = ", ".join(f"{value} {name}" for name, value in entry["counters"].items())
        name, state = entry["name"], entry["state"]
        text = "%s: %s, workers %s; %s"
        _log.info(text, name, state, pids, counters, extra={"listener": name})


class AddressLog:
    """Logs the addresses of the listeners, each one when it is new."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._logged: set[tuple[str, str]] = set()

    def update(self) -> None:
        """Log the addresses that were not logged before."""
        logged, self._logged = self._logged, set()
        for listener in self._fleet.listeners.values():
            for name in self._fleet.table.bound_names(listener.name, listener.options):
                self._logged.add((listener.name, name))
                if (listener.name, name) in logged:
                    continue
                hint = listener.kind.hint(Address.parse(name), listener.options)
                advice = f"; try: {hint}" if hint else ""
                extra = {"listener": listener.name}
                kind = listener.kind.name
                _log.info("%s: %s on %s%s", listener.name, kind, name, advice, extra=extra)

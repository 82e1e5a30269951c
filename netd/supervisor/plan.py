"""The difference between the running configuration and the desired one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from netd.config.model import Config, ListenerOptions, fields_for_new_workers


@dataclass(frozen=True, slots=True)
class Plan:
    """The listeners of both configurations, by the action of the reload on each one."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()  # new workers take over the clients of the old ones
    reconfigured: tuple[str, ...] = ()  # the running workers take the new options
    unchanged: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = (
            (self.added, "added"),
            (self.removed, "removed"),
            (self.replaced, "replaced"),
            (self.reconfigured, "reconfigured"),
        )
        changes = [f"{verb} {', '.join(names)}" for names, verb in parts if names]
        return "; ".join(changes) or "nothing changed"


def diff(running: Config, desired: Config) -> Plan:
    """The plan that turns `running` into `desired`."""
    old, new = running.listeners, desired.listeners
    both = [name for name in new if name in old]
    replaced = [name for name in both if _is_replaced(old[name], new[name])]
    unchanged = [name for name in both if old[name] == new[name]]
    return Plan(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        replaced=tuple(replaced),
        reconfigured=tuple(n for n in both if n not in replaced and n not in unchanged),
        unchanged=tuple(unchanged),
    )


def _is_replaced(old: ListenerOptions, new: ListenerOptions) -> bool:
    if old == new:
        return False
    if type(old) is not type(new) or new.workers < old.workers:  # a surplus worker has clients too
        return True
    names = fields_for_new_workers(type(new))
    return any(getattr(old, name) != getattr(new, name) for name in names)

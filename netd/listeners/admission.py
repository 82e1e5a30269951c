"""The limits that all listeners have: source networks, and the number of connections.

`ConnectionLimits` decides from numbers that the caller passes; `Admission` also counts the
connections of one process.
"""

from __future__ import annotations

import enum
from collections import Counter
from ipaddress import ip_address

from netd.config.model import ListenerOptions, Networks
from netd.listeners.counters import Counters
from netd.protocols.host_port import unmap_ipv4


class Refusal(enum.Enum):
    """Why a connection is refused; the value is the name of the counter."""

    DENIED = "refused_denied"  # the client's network may not connect
    FULL = "refused_full"  # max_connections
    ADDRESS_FULL = "refused_address_full"  # max_connections_per_address


class Sources:
    """The networks that may connect, and those that may not."""

    __slots__ = ("_allow", "_deny", "is_any")

    def __init__(self, allow: Networks, deny: Networks) -> None:
        self._allow = allow
        self._deny = deny
        self.is_any = not (allow or deny)
        """True if all networks may connect."""

    def permits(self, host: str) -> bool:
        """Whether an address may connect; "" (a Unix socket) always may."""
        if not host or self.is_any:
            return True
        if is_within(host, self._deny):
            return False
        return not self._allow or is_within(host, self._allow)


class ConnectionLimits:
    """The limits in a listener's options."""

    __slots__ = ("max", "max_per_address", "sources")

    def __init__(self, options: ListenerOptions) -> None:
        self.max = options.max_connections
        self.max_per_address = options.max_connections_per_address
        self.sources = Sources(options.allow, options.deny)

    def check(self, host: str, connections: int, of_host: int) -> Refusal | None:
        """Decide on a connection of `host`; of `connections` open ones, `of_host` are from it."""
        if not self.sources.permits(host):
            return Refusal.DENIED
        if self.max_per_address and of_host >= self.max_per_address:
            return Refusal.ADDRESS_FULL
        return Refusal.FULL if connections >= self.max else None


class Admission:
    """Counts admitted and refused connections.

    A host is the text of an IP address as Acceptor gives it. All peers on Unix sockets have the
    host "", which counts as one address and is in no network. The caller releases each admitted
    or adopted connection once.
    """

    __slots__ = ("_limits", "_of_host", "accepted", "connections", "refused")

    def __init__(self, options: ListenerOptions) -> None:
        self._limits = ConnectionLimits(options)
        self._of_host: Counter[str] = Counter()
        self.connections = 0
        """Connections that are admitted or adopted, and not released."""
        self.accepted = 0
        """Connections admitted since the start."""
        self.refused: Counter[Refusal] = Counter()
        """Connections refused since the start, by reason."""

    def reconfigure(self, options: ListenerOptions) -> None:
        """Apply new limits; admitted connections stay."""
        self._limits = ConnectionLimits(options)

    @property
    def max(self) -> int:
        """The number of connections that may be open."""
        return self._limits.max

    def check(self, host: str) -> Refusal | None:
        """Why a connection of `host` would be refused now; None if it would be admitted."""
        return self._limits.check(host, self.connections, self._of_host.get(host, 0))

    def admit(self, host: str) -> Refusal | None:
        """Count a connection as admitted and return None, or return why it is refused."""
        refusal = self.check(host)
        if refusal is not None:
            self.refused[refusal] += 1
            return refusal
        self.accepted += 1
        self.adopt(host)
        return None

    def adopt(self, host: str) -> None:
        """Count a connection that another process has admitted, even above the limits."""
        self.connections += 1
        self._of_host[host] += 1

    def release(self, host: str) -> None:
        """Count an admitted connection as closed."""
        self.connections -= 1
        self._of_host[host] -= 1
        self._remove_if_zero(host)

    def counters(self) -> Counters:
        """The gauge connections; the totals accepted, refused, and refused for each reason."""
        totals = {
            "accepted": self.accepted,
            "refused": self.refused.total(),
            **{reason.value: self.refused[reason] for reason in Refusal},
        }
        return Counters(totals, {"connections": self.connections})

    def _remove_if_zero(self, host: str) -> None:
        if not self._of_host[host]:
            del self._of_host[host]


def is_within(host: str, networks: Networks) -> bool:
    """Whether an address is in one of the networks; an IPv4-mapped IPv6 address counts as IPv4."""
    address = unmap_ipv4(ip_address(host))
    return any(address in network for network in networks)  # False for another family

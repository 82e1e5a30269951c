"""Who may connect, and how many at once: the limits every kind of listener shares.

Pure accounting: it opens, accepts and closes nothing. `Limits` judges, given the numbers;
`Admission` keeps the numbers of one process as well.
"""

from __future__ import annotations

import enum
from collections import Counter
from ipaddress import ip_address

from netd.config.model import ListenerOptions, Networks
from netd.listeners.counters import Counters
from netd.protocols.host_port import unmap_ipv4


class Refusal(enum.Enum):
    """Why a connection is not served; the value is the name of its counter."""

    DENIED = "refused_denied"  # its source network may not connect
    FULL = "refused_full"  # the listener serves as many as it may
    ADDRESS_FULL = "refused_address_full"  # its source address has as many as it may


class Sources:
    """Source networks that may, and that may not."""

    __slots__ = ("_allow", "_deny", "is_any")

    def __init__(self, allow: Networks, deny: Networks) -> None:
        self._allow = allow
        self._deny = deny
        self.is_any = not (allow or deny)
        """Whether no network is named, and so none is looked at."""

    def permits(self, host: str) -> bool:
        """Whether this address may; IPv4 mapped into IPv6 counts as IPv4, none as in no network."""
        if not host or self.is_any:
            return True
        if is_within(host, self._deny):
            return False
        return not self._allow or is_within(host, self._allow)


class Limits:
    """The limits of one set of options."""

    __slots__ = ("_max", "_sources", "max_per_address")

    def __init__(self, options: ListenerOptions) -> None:
        self._max = options.max_connections
        self.max_per_address = options.max_connections_per_address
        self._sources = Sources(options.allow, options.deny)

    def judge(self, host: str, connections: int, of_host: int) -> Refusal | None:
        """Whether one more may come from `host` beside so many in all and so many of its own."""
        if not self.permits(host):
            return Refusal.DENIED
        if connections >= self._max:
            return Refusal.FULL
        if self.max_per_address and of_host >= self.max_per_address:
            return Refusal.ADDRESS_FULL
        return None

    @property
    def has_networks(self) -> bool:
        """Whether `permits` looks at an address at all."""
        return not self._sources.is_any

    def permits(self, host: str) -> bool:
        """Whether the networks let this address in."""
        return self._sources.permits(host)


class Admission:
    """Counts what is admitted and what is refused.

    A host is the text of an IP address as `accept` gives it. Peers on Unix sockets have none:
    they are all one address, "", and belong to no network. `release` each admitted host once.
    """

    __slots__ = ("_limits", "_of_host", "accepted", "connections", "refused")

    def __init__(self, options: ListenerOptions) -> None:
        self._limits = Limits(options)
        self._of_host: Counter[str] = Counter()
        self.connections = 0
        """How many are admitted and not released."""
        self.accepted = 0
        """How many were ever admitted."""
        self.refused: Counter[Refusal] = Counter()
        """How many were ever refused, by reason."""

    def reconfigure(self, options: ListenerOptions) -> None:
        """Judge by these options from now on; who is admitted already stays."""
        self._limits = Limits(options)

    def admit(self, host: str) -> Refusal | None:
        """Count one more in, or say why not."""
        refusal = self._limits.judge(host, self.connections, self._of_host[host])
        if refusal is not None:
            self.refused[refusal] += 1
            self._forget_if_none(host)
            return refusal
        self.connections += 1
        self.accepted += 1
        self._of_host[host] += 1
        return None

    def release(self, host: str) -> None:
        """Count one out that was admitted."""
        self.connections -= 1
        self._of_host[host] -= 1
        self._forget_if_none(host)

    def counters(self) -> Counters:
        """The gauge connections; the totals accepted, refused, and refused for each reason."""
        totals = {
            "accepted": self.accepted,
            "refused": self.refused.total(),
            **{reason.value: self.refused[reason] for reason in Refusal},
        }
        return Counters(totals, {"connections": self.connections})

    def _forget_if_none(self, host: str) -> None:
        if not self._of_host[host]:
            del self._of_host[host]


def is_within(host: str, networks: Networks) -> bool:
    """Whether an address is in one of these; IPv4 mapped into IPv6 counts as IPv4."""
    address = unmap_ipv4(ip_address(host))
    return any(address in network for network in networks)  # never in one of the other family

"""How often one source address may connect: a token bucket for each.

Bounded: past `MAX_SOURCES` the address that was longest not heard of is forgotten, which lets it
begin anew with a full bucket.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Final

from netd.listeners.admission import is_within
from netd.listeners.chat.options import ChatOptions
from netd.listeners.counters import Counters
from netd.protocols.token_bucket import TokenBucket

MAX_SOURCES: Final = 10_000
_SITE_BITS: Final = 64  # of an IPv6 address: a site may give itself any of the rest


class ConnectThrottle:
    """Judges each connection by when those before it came."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[object, TokenBucket] = OrderedDict()
        self._refused = 0

    def admits(self, host: str, now: float, options: ChatOptions) -> bool:
        """Whether one more may come now; a peer on a Unix socket has no host and always may."""
        if not (host and options.connect_rate) or is_within(host, options.connect_exempt):
            return True
        source = _source(host)
        bucket = self._buckets.pop(source, None) or TokenBucket(now, options.connect_burst)
        self._buckets[source] = bucket
        if len(self._buckets) > MAX_SOURCES:
            self._buckets.popitem(last=False)
        is_admitted = bucket.take(now, options.connect_rate, options.connect_burst)
        self._refused += not is_admitted
        return is_admitted

    def counters(self) -> Counters:
        """The connections refused here, as a part of all that are refused."""
        return Counters({"refused": self._refused, "refused_too_often": self._refused})


def _source(host: str) -> object:
    """What is counted together: one IPv4 address, one IPv6 site."""
    address = ip_address(host)
    return int(address) >> _SITE_BITS if isinstance(address, IPv6Address) else host

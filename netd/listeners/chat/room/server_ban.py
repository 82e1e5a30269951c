"""Server bans: masks and networks whose clients may not connect, until a time or for ever."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Self

from netd.listeners.chat.room.mask import ACCOUNT, matches
from netd.listeners.chat.room.storage import Change, Query
from netd.protocols.host_port import unmap_ipv4
from netd.protocols.irc import fold

WORK_PER_BAN: Final = 4  # in the units of `Client.work`
FOR_EVER: Final = 0.0
MAX_DURATION_S: Final = 20 * 365 * 86400
_MAX_BYTES: Final = 200
_MIN_LITERALS: Final = 3  # a mask with fewer letters and digits could match everybody
_MIN_BITS: Final = {4: 8, 6: 16}  # by IP version
_SITE_BITS: Final = {4: 32, 6: 64}  # of one customer
_PART: Final = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern})+|\d{{1,9}}", re.ASCII)

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class ServerBan:
    """A ban of clients; `mask` is in the form of `normalize_mask`."""

    mask: str
    by: str  # the operator's name and prefix
    at: float
    until: float  # FOR_EVER, or seconds since the epoch
    reason: str

    def applies_at(self, now: float) -> bool:
        """Whether the ban has not expired."""
        return self.until == FOR_EVER or now < self.until


@dataclass(frozen=True, slots=True)
class SetServerBan(Change):
    """Store a ban (JSON) in place of one with the same mask, which is folded; "" removes it."""

    mask: str
    ban: str

    @classmethod
    def of(cls, ban: ServerBan) -> Self:
        """Store a ban."""
        row = [ban.mask, ban.by, ban.at, ban.until, ban.reason]
        return cls(fold(ban.mask), json.dumps(row, ensure_ascii=False))

    @classmethod
    def removing(cls, ban: ServerBan) -> Self:
        """Remove a stored ban."""
        return cls(fold(ban.mask), "")


@dataclass(frozen=True, slots=True)
class StoredServerBans(Query[tuple[str, ...]]):
    """All stored bans, each as the JSON of SetServerBan."""


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """The facts about a client that a ban can match; the user name may not be known yet."""

    address: str
    host: str = ""
    user: str = ""
    account: str = ""


def parse_duration(text: str) -> float | None:
    """The seconds in `90` (minutes) or `1d12h`; None if it is not a duration."""
    if not _WHOLE.fullmatch(text):
        return None
    if text.isdecimal():
        seconds = int(text) * 60
    else:
        seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return float(min(seconds, MAX_DURATION_S))


def mask_of_address(address: str) -> str:
    """The mask of all addresses of one customer; an address that is no IP stands for itself."""
    try:
        ip = unmap_ipv4(ip_address(address))
    except ValueError:
        return f"*@{address}"
    return f"*@{ip_network(f'{ip}/{_SITE_BITS[ip.version]}', strict=False).with_prefixlen}"


def normalize_mask(text: str) -> str:
    """The stored form of `user@host`, `*@network`, an address, a network, or `a:account`.

    Raises ValueError, with the reason, if it is none of these or could match nearly all clients.
    """
    if len(text.encode()) > _MAX_BYTES:
        raise ValueError(f"a mask has at most {_MAX_BYTES} bytes")
    if text.startswith(ACCOUNT):
        _check_literals(text.removeprefix(ACCOUNT))
        return text
    user, _, host = text.rpartition("@")
    user = user.removeprefix("*!") or "*"
    if "!" in user or not host or " " in text:
        raise ValueError("a mask is user@host, an address, a network, or a:account")
    network = _network_of(host)
    if network is None:
        _check_literals(user + host)
        return f"{user}@{host}"
    if network.prefixlen < _MIN_BITS[network.version]:
        raise ValueError(f"a network has at least {_MIN_BITS[network.version]} bits")
    is_one = network.num_addresses == 1
    return f"{user}@{network.network_address if is_one else network.with_prefixlen}"


def _check_literals(text: str) -> None:
    if sum(character.isalnum() for character in text) < _MIN_LITERALS:
        raise ValueError(f"a mask has at least {_MIN_LITERALS} letters or digits")


def _network_of(host: str) -> Network | None:
    try:
        return ip_network(host, strict=False)
    except ValueError:
        return None


class ServerBans:
    """The bans of a server, by mask. Networks are found by look-ups, other masks one by one."""

    def __init__(self) -> None:
        self.by_mask: dict[str, ServerBan] = {}  # by the folded mask
        self._networks: dict[tuple[int, int], dict[int, list[ServerBan]]] = {}
        self._masks: dict[str, ServerBan] = {}

    def __len__(self) -> int:
        return len(self.by_mask)

    def __iter__(self) -> Iterator[ServerBan]:
        return iter(tuple(self.by_mask.values()))

    def add(self, ban: ServerBan) -> None:
        """Add a ban; it takes the place of one with the same mask."""
        self.remove(ban.mask)
        self.by_mask[fold(ban.mask)] = ban
        network = _network_of(ban.mask.rpartition("@")[2])
        if network is None or ban.mask.startswith(ACCOUNT):
            self._masks[fold(ban.mask)] = ban
        else:
            of_size = self._networks.setdefault((network.version, network.prefixlen), {})
            of_size.setdefault(_key(network), []).append(ban)

    def remove(self, mask: str) -> ServerBan | None:
        """Remove the ban with a mask in its stored form, and return it; None if there is none."""
        ban = self.by_mask.pop(fold(mask), None)
        if ban is None or fold(mask) in self._masks:
            self._masks.pop(fold(mask), None)
            return ban
        network = ip_network(ban.mask.rpartition("@")[2])
        size = (network.version, network.prefixlen)
        of_network = self._networks[size][_key(network)]
        of_network.remove(ban)
        if not of_network:
            del self._networks[size][_key(network)]
        if not self._networks[size]:
            del self._networks[size]
        return ban

    def expire(self, now: float) -> list[ServerBan]:
        """Remove the bans whose time is over, and return them."""
        expired = [ban for ban in self.by_mask.values() if not ban.applies_at(now)]
        for ban in expired:
            self.remove(ban.mask)
        return expired

    def find_by_address(self, address: str, now: float) -> ServerBan | None:
        """A ban of an address or its network, whatever the user name is."""
        found = (ban for ban in self._of_networks(address) if ban.mask.startswith("*@"))
        return next((ban for ban in found if ban.applies_at(now)), None)

    def find(self, client: ClientFacts, now: float) -> ServerBan | None:
        """A ban that matches a client."""
        for ban in self._of_networks(client.address):
            if ban.applies_at(now) and matches(ban.mask.rpartition("@")[0], client.user):
                return ban
        found = (ban for ban in self._masks.values() if mask_matches(ban.mask, client))
        return next((ban for ban in found if ban.applies_at(now)), None)

    @property
    def work(self) -> int:
        """The work of `find`."""
        return WORK_PER_BAN * len(self._masks) + len(self._networks)

    def _of_networks(self, address: str) -> Iterator[ServerBan]:
        if not self._networks:
            return
        try:
            ip = unmap_ipv4(ip_address(address))
        except ValueError:  # a Unix socket
            return
        for (version, bits), of_size in self._networks.items():
            if version == ip.version:
                yield from of_size.get(int(ip) >> ip.max_prefixlen - bits, ())


def mask_matches(mask: str, client: ClientFacts) -> bool:
    """Whether a mask in its stored form, which is not that of a network, matches a client."""
    if mask.startswith(ACCOUNT):
        return bool(client.account) and matches(mask.removeprefix(ACCOUNT), client.account)
    hosts = dict.fromkeys((client.host, client.address))
    return any(matches(mask, f"{client.user}@{host}") for host in hosts)


def _key(network: Network) -> int:
    return int(network.network_address) >> network.max_prefixlen - network.prefixlen

"""Cloaks: the host names that members see in place of a client's address.

A cloak is three keyed hashes, from the whole address to its largest network, so a mask can match a
network: `*!*@*.C.ip` matches all addresses of `A.B.C.ip` in the same /16 (IPv6: /32).
"""

from __future__ import annotations

from _blake2 import blake2s  # hashlib would load OpenSSL
from base64 import b32encode
from ipaddress import ip_address
from typing import Final

from netd.protocols.host_port import unmap_ipv4

_SUFFIX: Final = "ip"
_DIGEST_BYTES: Final = 5  # 8 characters
_KEY_BYTES: Final = 32  # the most that BLAKE2s takes
_PREFIX_BITS: Final = {4: (32, 24, 16), 6: (64, 48, 32)}  # by IP version; a site has a /64


def cloak(address: str, key: str) -> str:
    """The cloak of an address; a loopback address and the name of this host stay as they are."""
    try:
        ip = unmap_ipv4(ip_address(address))
    except ValueError:
        return address
    if ip.is_loopback:
        return address
    whole = blake2s(key.encode(), digest_size=_KEY_BYTES).digest()
    hashes = [
        _hash(int(ip) >> ip.max_prefixlen - bits, bits, ip.version, whole)
        for bits in _PREFIX_BITS[ip.version]
    ]
    return ".".join([*hashes, _SUFFIX])


def _hash(network: int, bits: int, version: int, key: bytes) -> str:
    text = f"{version}/{bits}/{network:x}".encode()
    digest = blake2s(text, digest_size=_DIGEST_BYTES, key=key).digest()
    return b32encode(digest).decode().lower()

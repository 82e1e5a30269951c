"""The PROXY protocol, versions 1 and 2: the header in which a proxy sends the client's address.

As in HAProxy's proxy-protocol.txt, for stream sockets.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from netd.errors import RemoteProtocolError
from netd.protocols.host_port import unmap_ipv4

_MAX_LINE_BYTES: Final = 107  # of version 1, with CRLF
_LINE: Final = re.compile(
    rb"PROXY (?:(TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) ([0-9]{1,5}) ([0-9]{1,5})"
    rb"|UNKNOWN[^\r\n]*)\r\n"
)
_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_HEAD: Final = struct.Struct("!12sBBH")
_MAX_REST_BYTES: Final = 4096  # addresses and TLVs
_TLV: Final = struct.Struct("!BH")  # type and length, before the value
_TLV_TLS: Final = 0x20  # PP2_TYPE_SSL; its value begins with a byte of flags
_FLAG_TLS: Final = 0x01  # PP2_CLIENT_SSL
_VERSION: Final = 2
_LOCAL, _PROXIED = 0, 1
_FAMILIES: Final[dict[int, tuple[type[IPv4Address | IPv6Address], int]]] = {
    0x11: (IPv4Address, 4),
    0x21: (IPv6Address, 16),
}  # TCP over IPv4 and IPv6: address family, address size


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """The header's size in bytes and the client's address ("" if the proxy is the client)."""

    size: int
    client: str
    is_secure: bool = False
    """Whether the client uses TLS with the proxy (version 2, PP2_TYPE_SSL)."""


def parse_proxy_header(data: bytes) -> ProxyHeader | None:
    """Parse the header at the start of a connection's data.

    Returns None if it is not complete. Raises RemoteProtocolError if it is not a valid header.
    """
    if data.startswith(_SIGNATURE):
        return _parse_binary(data)
    if _SIGNATURE.startswith(data):
        return None
    return _parse_line(data)


def _parse_line(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _MAX_LINE_BYTES)
    if end < 0:
        if len(data) >= _MAX_LINE_BYTES or not data.startswith(b"PROXY "[: len(data)]):
            raise _invalid()
        return None
    match = _LINE.fullmatch(data[: end + 2])
    if match is None:
        raise _invalid()
    if match[1] is None:
        return ProxyHeader(end + 2, "")
    family = IPv4Address if match[1] == b"TCP4" else IPv6Address
    try:
        client, _ = family(match[2].decode()), family(match[3].decode())
    except ValueError as error:
        raise _invalid() from error
    return ProxyHeader(end + 2, str(unmap_ipv4(client)))


def _parse_binary(data: bytes) -> ProxyHeader | None:
    if len(data) < _HEAD.size:
        return None
    _, version_and_command, transport, rest = _HEAD.unpack_from(data)
    version, command = version_and_command >> 4, version_and_command & 15
    if version != _VERSION or command not in (_LOCAL, _PROXIED) or rest > _MAX_REST_BYTES:
        raise _invalid()
    size = _HEAD.size + rest
    if len(data) < size:
        return None
    if command == _LOCAL:
        return ProxyHeader(size, "")
    if transport not in _FAMILIES:
        return ProxyHeader(size, "")  # not TCP over IP: the client has no address
    family, width = _FAMILIES[transport]
    rest_data = data[_HEAD.size : size]
    addresses_size = 2 * width + 4  # with the ports
    if rest < addresses_size:
        raise _invalid()
    client = str(unmap_ipv4(family(rest_data[:width])))
    return ProxyHeader(size, client, _has_tls_flag(rest_data[addresses_size:]))


def _has_tls_flag(tlvs: bytes) -> bool:
    """Whether one of the TLVs says that the client uses TLS; incomplete TLVs are ignored."""
    while len(tlvs) > _TLV.size:
        kind, length = _TLV.unpack_from(tlvs)
        value, tlvs = tlvs[_TLV.size : _TLV.size + length], tlvs[_TLV.size + length :]
        if kind == _TLV_TLS and len(value) == length > 0:
            return bool(value[0] & _FLAG_TLS)
    return False


def _invalid() -> RemoteProtocolError:
    return RemoteProtocolError("no valid PROXY protocol header", 400)

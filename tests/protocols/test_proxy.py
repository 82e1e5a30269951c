"""The PROXY protocol's two forms."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.errors import RemoteProtocolError
from netd.protocols.proxy import ProxyHeader, parse_proxy_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PORTS = b"\x01\x02\x03\x04"
V4 = IPv4Address("192.0.2.1").packed
V6 = IPv6Address("2001:db8::1").packed
MAPPED = IPv6Address("::ffff:192.0.2.1").packed


def binary(command: int, transport: int, rest: bytes) -> bytes:
    return SIGNATURE + bytes([command, transport]) + len(rest).to_bytes(2, "big") + rest


@pytest.mark.parametrize(
    ("data", "client"),
    [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65535\r\n", "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "2001:db8::1"),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1"),
        (b"PROXY UNKNOWN\r\n", ""),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ""),
        (binary(0x21, 0x11, V4 * 2 + PORTS), "192.0.2.1"),
        (binary(0x21, 0x21, V6 * 2 + PORTS + b"\x04\x00\x01x"), "2001:db8::1"),
        (binary(0x21, 0x21, MAPPED * 2 + PORTS), "192.0.2.1"),
        (binary(0x20, 0x00, b""), ""),
        (binary(0x20, 0x11, V4 * 2 + PORTS), ""),
        (binary(0x21, 0x31, bytes(216)), ""),
    ],
)
def test_a_header_gives_the_clients_address(data: bytes, client: str) -> None:
    assert parse_proxy_header(data + b"GET /") == ProxyHeader(len(data), client)
    for end in range(len(data)):
        assert parse_proxy_header(data[:end]) is None


def tlv(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


@pytest.mark.parametrize(
    ("tlvs", "is_secure"),
    [
        (tlv(0x20, b"\x01" + bytes(4)), True),
        (tlv(0x20, b"\x05" + bytes(4) + tlv(0x21, b"TLSv1.3")), True),
        (tlv(0x04, bytes(9)) + tlv(0x20, b"\x01"), True),
        (tlv(0x20, b"\x06" + bytes(4)), False),
        (tlv(0x20, b""), False),
        (tlv(0x20, b"\x01" + bytes(4))[:-1], False),
        (tlv(0x02, b"one.test"), False),
        (b"\x20", False),
        (b"", False),
    ],
)
def test_a_tlv_says_that_the_client_uses_tls(tlvs: bytes, *, is_secure: bool) -> None:
    for transport, addresses in ((0x11, V4 * 2 + PORTS), (0x21, V6 * 2 + PORTS)):
        header = parse_proxy_header(binary(0x21, transport, addresses + tlvs))
        assert header is not None
        assert header.is_secure is is_secure


@pytest.mark.parametrize(
    "data",
    [
        *(b"GET / HTTP/1.1\r\n\r\n", b"PROXX", b"PROXY TCP4 a b 1 2\r\n", b"PROXY " + b"x" * 200),
        *(b"PROXY TCP4 ::1 ::1 1 2\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", b"PROXY\r\n"),
        *(b"proxy UNKNOWN\r\n", b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", b"\r\n\r\n\0x"),
        *(binary(0x11, 0x11, V4 * 2 + PORTS), binary(0x22, 0x11, b""), binary(0x21, 0x11, b"x")),
        binary(0x21, 0x11, bytes(5000)),
    ],
)
def test_other_data_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_proxy_header(data)


@given(st.one_of(st.binary(max_size=64), st.binary(max_size=300).map(lambda x: SIGNATURE + x)))
def test_random_data_is_refused_or_bounded(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        found = parse_proxy_header(data)
        assert found is None or found.size <= len(data)

from __future__ import annotations

import pytest

from netd.config.address import Address, Scheme


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://127.0.0.1:7", Address(Scheme.TCP, "127.0.0.1", 7)),
        ("tcp://[::]:80", Address(Scheme.TCP, "::", 80)),
        ("udp://[fe80::1%eth0]:9", Address(Scheme.UDP, "fe80::1%eth0", 9)),
        ("tcp://[fe80::1%br-lan.7]:9", Address(Scheme.TCP, "fe80::1%br-lan.7", 9)),
        ("udp://localhost:0", Address(Scheme.UDP, "localhost", 0)),
        ("unix:///run/netd/echo.sock", Address(Scheme.UNIX, path="/run/netd/echo.sock")),
        ("unixgram:///run/d", Address(Scheme.UNIXGRAM, path="/run/d")),
    ],
)
def test_an_address_is_parsed_and_formatted(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("127.0.0.1:80", "is not an address; write tcp://127.0.0.1:80"),
        ("http://[::]:80", "is not an address"),
        ("tcp://", "is not a host and a port"),
        ("tcp://host", "is not a host and a port; write it as in tcp://127.0.0.1:7000"),
        ("tcp://::1:80", r"is not a host and a port; write tcp://\[::1\]:80"),
        ("udp://:80", r"is not a host and a port; write udp://\[::\]:80 for all addresses"),
        ("80", r"is not an address; write tcp://\[::\]:80 for all addresses"),
        ("*:80", r"is not an address; write tcp://\[::\]:80 for all addresses"),
        ("http://example.org:80", "is not an address; write tcp://example.org:80"),
        ("/run/x.sock", "is not an address; write unix:///run/x.sock"),
        ("tcp://host:http", "is not a host and a port"),
        ("tcp://host:65536", "port 65536 is above 65535"),
        ("tcp://[::g]:80", r"\[::g\] is not an IPv6 address: "),
        ("tcp://[1::2::3]:80", r"\[1::2::3\] is not an IPv6 address: "),
        ("tcp://a..b:80", "'a..b' is not a host; between dots it has 1 to 63 characters"),
        ("udp://" + "x" * 64 + ":80", "is not a host"),
        ("tcp://[fe80::1%a..b]:80", "'fe80::1%a..b' is not a host"),
        ("unix://run/x", "must be absolute"),
        ("unix:///" + "x" * 107, "at most 107 bytes"),
        ("unix:///a\0b", "no NUL"),
    ],
)
def test_the_error_for_a_wrong_address_lists_the_allowed_forms(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Address.parse(text)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("tcp://[::]:80", "tcp://[0::0]:80", True),
        ("tcp://[::]:80", "tcp://127.0.0.1:80", True),
        ("tcp://[::1]:80", "tcp://[0:0:0:0:0:0:0:1]:80", True),
        ("tcp://0.0.0.0:80", "tcp://127.0.0.1:80", True),
        ("tcp://0.0.0.0:80", "tcp://[::1]:80", False),
        ("tcp://127.0.0.1:80", "tcp://127.0.0.2:80", False),
        ("tcp://[::]:80", "udp://[::]:80", False),
        ("tcp://[::]:0", "tcp://[::]:0", False),
        ("unix:///a", "unix:///a", True),
        ("unix:///a", "unixgram:///a", True),
        ("unix:///a", "tcp://[::]:80", False),
    ],
)
def test_a_wildcard_overlaps_every_host(one: str, other: str, *, overlap: bool) -> None:
    assert Address.parse(one).overlaps(Address.parse(other)) is overlap
    assert Address.parse(other).overlaps(Address.parse(one)) is overlap


def test_stream_and_local_schemes() -> None:
    assert [s for s in Scheme if s.is_stream] == [Scheme.TCP, Scheme.UNIX]
    assert [s for s in Scheme if s.is_local] == [Scheme.UNIX, Scheme.UNIXGRAM]


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("tcp://0.0.0.0:80", "127.0.0.1:80"),
        ("udp://[::]:7", "[::1]:7"),
        ("tcp://192.0.2.1:80", "192.0.2.1:80"),
    ],
)
def test_a_wildcard_is_reached_on_loopback(text: str, loopback: str) -> None:
    assert Address.parse(text).to_loopback().authority == loopback

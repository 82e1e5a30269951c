from __future__ import annotations

from ipaddress import ip_address

import pytest

from netd.protocols.host_port import format_host_port, is_resolvable, parse_host_port, unmap_ipv4


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.com:80", "example.com", 80),
        ("example.com", "example.com", None),
        ("192.0.2.1:0", "192.0.2.1", 0),
        ("[::1]:99999", "::1", 99999),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("[fe80::1%br-lan.7]:9", "fe80::1%br-lan.7", 9),
    ],
)
def test_a_host_with_or_without_a_port(text: str, host: str, port: int | None) -> None:
    assert parse_host_port(text) == (host, port)


@pytest.mark.parametrize(
    "text", ["", ":80", "::1", "::1:80", "a:b", "a:", "a:123456", "[::1]x", "a b", "a\0b", "a/b:1"]
)
def test_any_other_form_is_refused(text: str) -> None:
    assert parse_host_port(text) is None


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert format_host_port("::1", 80) == "[::1]:80"
    assert format_host_port("a.example", 80) == "a.example:80"


@pytest.mark.parametrize("host", ["a..b", ".a", "a.b..", "a" * 64, f"a.{'b' * 64}.c", "\udcff"])
def test_a_host_that_cannot_be_looked_up(host: str) -> None:
    with pytest.raises(UnicodeError):
        host.encode("idna")
    assert not is_resolvable(host)


@pytest.mark.parametrize("host", ["a.example", "a.", "", "::1", "a" * 63, f"{'a' * 63}.b", "ä.de"])
def test_a_host_that_can_be_looked_up(host: str) -> None:
    assert host.encode("idna") is not None
    assert is_resolvable(host)


@pytest.mark.parametrize(
    ("address", "unmapped"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("::1", "::1")],
)
def test_an_ipv4_mapped_address_counts_as_ipv4(address: str, unmapped: str) -> None:
    assert unmap_ipv4(ip_address(address)) == ip_address(unmapped)

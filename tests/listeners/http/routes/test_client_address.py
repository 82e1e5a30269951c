"""The client's address behind proxies, and the credentials in a request."""

from __future__ import annotations

import base64
from ipaddress import ip_network

import pytest

from netd.listeners.http.routes.client_address import client_of, credentials_of

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("host", "forwarded", "client"),
    [
        ("192.0.2.1", b"198.51.100.1", "192.0.2.1"),
        ("10.0.0.1", b"198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", b"6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", b"198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", b"198.51.100.1:80", "198.51.100.1"),
        ("10.0.0.1", b"[2001:db9::1]:80", "2001:db9::1"),
        ("2001:db8::1", b"fe80::1%eth0", "fe80::1"),
        ("10.0.0.1", b"unknown", "10.0.0.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("", b"198.51.100.1", ""),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(
    host: str, forwarded: bytes, client: str
) -> None:
    assert client_of(host, {b"x-forwarded-for": forwarded}, TRUSTED) == client


def test_credentials() -> None:
    encoded = base64.b64encode("bob:s:ß".encode())
    assert credentials_of({b"authorization": b"Basic " + encoded}) == ("bob", "s:ß")
    assert credentials_of({b"authorization": b"Bearer " + encoded}) is None
    assert credentials_of({}) is None

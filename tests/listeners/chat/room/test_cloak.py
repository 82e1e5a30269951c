"""Cloaks hide addresses, and show which ones share a network."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.chat.room.cloak import cloak
from netd.listeners.chat.room.mask import matches


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "0::1", "localhost", "::ffff:127.0.0.1"]
)
def test_this_machine_is_not_hidden(host: str) -> None:
    assert cloak(host, "key") == host


def shared(one: str, other: str) -> int:
    """How many hashes two cloaks share at their ends."""
    pairs = zip(
        cloak(one, "key").split(".")[2::-1], cloak(other, "key").split(".")[2::-1], strict=True
    )
    return next((number for number, (a, b) in enumerate(pairs) if a != b), 3)


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ("192.0.2.1", "192.0.2.2", 2),
        ("192.0.2.1", "192.0.3.1", 1),
        ("192.0.2.1", "192.1.2.1", 0),
        ("192.0.2.1", "::ffff:192.0.2.1", 3),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", 3),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", 2),
        ("2001:db8:1:2::1", "2001:db8:2:2::1", 1),
        ("2001:db8:1:2::1", "2001:db9:1:2::1", 0),
    ],
)
def test_addresses_share_the_hashes_of_their_networks(one: str, other: str, count: int) -> None:
    assert shared(one, other) == count


@given(
    st.one_of(
        st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address)
    )
)
def test_a_cloak_is_short_and_depends_on_the_key(address: IPv4Address | IPv6Address) -> None:
    if address.is_loopback or (isinstance(address, IPv6Address) and address.ipv4_mapped):
        return
    shown = cloak(str(address), "key")
    assert re.fullmatch(r"([a-z2-7]{8}\.){3}ip", shown)
    assert shown != cloak(str(address), "another key")
    assert matches(f"*!*@*.{shown.split('.', 1)[1]}", f"n!u@{shown}")

"""The limits that all kinds of listeners have."""

from __future__ import annotations

from typing import Any

import pytest

from netd.config.model import ListenerOptions
from netd.config.schema import read_options
from netd.listeners.admission import Admission, ConnectionLimits, Refusal


def options(**fields: Any) -> ListenerOptions:
    return read_options(ListenerOptions, {"kind": "echo", "address": "tcp://127.0.0.1:0", **fields})


def test_a_connection_above_the_limit_is_refused_until_another_is_released() -> None:
    admission = Admission(options(max_connections=2))
    assert [admission.admit(host) for host in ("1.1.1.1", "2.2.2.2", "3.3.3.3")] == [
        None,
        None,
        Refusal.FULL,
    ]
    admission.release("1.1.1.1")
    assert admission.admit("3.3.3.3") is None
    assert admission.counters().as_dict() == {
        "connections": 2,
        "accepted": 3,
        "refused": 1,
        "refused_denied": 0,
        "refused_full": 1,
        "refused_address_full": 0,
    }


def test_the_limit_for_an_address_counts_only_its_connections() -> None:
    admission = Admission(options(max_connections_per_address=1))
    assert admission.admit("1.1.1.1") is None
    assert admission.admit("1.1.1.1") is Refusal.ADDRESS_FULL
    assert admission.admit("2.2.2.2") is None
    admission.release("1.1.1.1")
    assert admission.admit("1.1.1.1") is None


def test_all_unix_peers_count_as_one_address() -> None:
    admission = Admission(options(max_connections_per_address=1, allow="10.0.0.0/8"))
    assert admission.admit("") is None
    assert admission.admit("") is Refusal.ADDRESS_FULL


def test_new_limits_apply_to_new_connections_only() -> None:
    admission = Admission(options())
    for _ in range(3):
        assert admission.admit("1.1.1.1") is None
    admission.reconfigure(options(max_connections=2))
    assert admission.admit("1.1.1.1") is Refusal.FULL
    admission.release("1.1.1.1")
    admission.release("1.1.1.1")
    assert admission.admit("1.1.1.1") is None


@pytest.mark.parametrize(
    ("fields", "host", "permitted"),
    [
        ({}, "8.8.8.8", True),
        ({"allow": "10.0.0.0/8"}, "10.1.2.3", True),
        ({"allow": "10.0.0.0/8"}, "11.1.2.3", False),
        ({"allow": "10.0.0.0/8"}, "::1", False),
        ({"allow": "10.0.0.0/8"}, "::ffff:10.1.2.3", True),
        ({"allow": "10.0.0.0/8", "deny": "10.1.0.0/16"}, "10.1.2.3", False),
        ({"deny": ["192.168.0.0/16", "fe80::/10"]}, "fe80::1%eth0", False),
        ({"deny": ["192.168.0.0/16", "fe80::/10"]}, "192.169.0.1", True),
    ],
)
def test_networks(fields: dict[str, Any], host: str, permitted: bool) -> None:  # noqa: FBT001 (a column of the table)
    assert ConnectionLimits(options(**fields)).sources.permits(host) is permitted


def test_a_denied_address_is_refused_as_denied_even_when_full() -> None:
    admission = Admission(options(deny="1.0.0.0/8", max_connections=1))
    assert admission.admit("2.2.2.2") is None
    assert admission.admit("1.1.1.1") is Refusal.DENIED

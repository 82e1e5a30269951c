from __future__ import annotations

import pytest

from netd.listeners.http.protocol.negotiation import choose_coding


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, ""),
        (b"", ""),
        (b"gzip", "gzip"),
        (b"GZIP", "gzip"),
        (b"gzip, br", "br"),
        (b"gzip;q=1.0, br;q=0.9", "gzip"),
        (b"br;q=0, *", "gzip"),
        (b"*", "br"),
        (b"*;q=0", ""),
        (b"gzip;q=0.5, identity", ""),
        (b"gzip;q=0.5, identity;q=0.5", "gzip"),
        (b"deflate", ""),
        (b" , gzip\t;\tq=0.123 ,", "gzip"),
        (b"gzip;q=2", ""),
        (b"gzip;q=0.1234", ""),
        (b"gzip;level=9", ""),
        (b"br gzip", ""),
    ],
)
def test_the_coding_with_the_highest_weight_is_chosen(accepted: bytes | None, coding: str) -> None:
    assert choose_coding(accepted, ("br", "gzip")) == coding


def test_without_an_available_coding_none_is_chosen() -> None:
    assert choose_coding(b"*", ()) == ""

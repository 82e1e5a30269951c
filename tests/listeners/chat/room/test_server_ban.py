"""Server bans: durations, masks, and how they are found."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.chat.room.effect import Log
from netd.listeners.chat.room.server_ban import (
    FOR_EVER,
    MAX_DURATION_S,
    ClientFacts,
    ServerBan,
    ServerBans,
    mask_of_address,
    normalize_mask,
    parse_duration,
)
from netd.listeners.chat.room.settings import RoomLimits
from tests.listeners.chat.room.room_under_test import RoomUnderTest


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("10", 600), ("0", 0), ("90s", 90), ("1d12h", 129_600), ("2w", 1_209_600)),
        *(("999999999w", MAX_DURATION_S), ("", None), ("h", None), ("1y", None), ("-5", None)),
        *(("1.5h", None), ("\u0661", None), ("1h ", None)),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("192.0.2.1", "*@192.0.2.1"),
        ("*@192.0.2.1/32", "*@192.0.2.1"),
        ("*!*@192.0.2.77/24", "*@192.0.2.0/24"),
        ("bob@2001:DB8::/32", "bob@2001:db8::/32"),
        ("~web*@*", "~web*@*"),
        ("@abc.def.ip", "*@abc.def.ip"),
        ("a:Anna", "a:Anna"),
    ],
)
def test_masks_have_one_form(text: str, mask: str) -> None:
    assert normalize_mask(text) == mask
    assert normalize_mask(mask) == mask


@pytest.mark.parametrize(
    "text",
    [
        *("*@*", "a:*", "*", "10.0.0.0/7", "2000::/15", "?*@a?", "n!u@host", "u@", ""),
        *("x" * 201, "u s@host"),
    ],
)
def test_other_masks_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a (mask|network) "):
        normalize_mask(text)


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[ab*?!@:./0-9]{0,40}", fullmatch=True)))
def test_what_is_accepted_can_be_added_found_and_removed(text: str) -> None:
    with contextlib.suppress(ValueError):
        mask = normalize_mask(text)
        assert normalize_mask(mask) == mask
        bans = ServerBans()
        bans.add(ban(mask))
        bans.find(ClientFacts("192.0.2.1", "a.b.ip", "~bob"), 0)
        assert bans.remove(mask) == ban(mask)
        assert [len(bans.by_mask), len(bans._networks), len(bans._masks)] == [0, 0, 0]


def ban(mask: str, until: float = FOR_EVER) -> ServerBan:
    return ServerBan(mask, "root", 0.0, until, "why")


def test_the_mask_of_an_address_is_that_of_one_customer() -> None:
    assert mask_of_address("192.0.2.1") == "*@192.0.2.1/32"
    assert mask_of_address("2001:db8:1:2:3::4") == "*@2001:db8:1:2::/64"
    assert mask_of_address("0::1") == "*@::/64"
    assert mask_of_address("localhost") == "*@localhost"


def test_bans_of_networks_are_found_by_address() -> None:
    bans = ServerBans()
    for mask in ("*@192.0.2.0/24", "bob@198.51.100.0/24", "*@2001:db8::/32", "*@203.0.113.1"):
        bans.add(ban(mask))
    assert bans.find_by_address("192.0.2.9", 0) == ban("*@192.0.2.0/24")
    assert bans.find_by_address("::ffff:192.0.2.9", 0) == ban("*@192.0.2.0/24")
    assert bans.find_by_address("2001:db8:9::1", 0) == ban("*@2001:db8::/32")
    assert bans.find_by_address("203.0.113.1", 0) == ban("*@203.0.113.1")
    for address in ("198.51.100.1", "192.0.3.1", "203.0.113.2", "2001:db9::1", "localhost"):
        assert bans.find_by_address(address, 0) is None
    assert bans.find(ClientFacts("198.51.100.1", user="bob"), 0) == ban("bob@198.51.100.0/24")
    assert bans.find(ClientFacts("198.51.100.1", user="eve"), 0) is None


def test_bans_expire() -> None:
    bans = ServerBans()
    bans.add(ban("*@192.0.2.1", until=10.0))
    bans.add(ban("~bob@*", until=20.0))
    client = ClientFacts("192.0.2.1", user="~bob")
    assert bans.find_by_address("192.0.2.1", 9.9) is not None
    assert bans.find_by_address("192.0.2.1", 10.0) is None
    assert bans.find(client, 10.0) == ban("~bob@*", until=20.0)
    assert [old.mask for old in bans.expire(10.0)] == ["*@192.0.2.1"]
    assert bans.find(client, 20.0) is None
    assert len(bans) == 1


def test_a_thousand_costly_masks_take_no_exponential_time() -> None:
    bans = ServerBans()
    for number in range(1000):
        bans.add(ban(normalize_mask(f"*{number:04d}*a*b*c*d*e*f*@*{number}*.ip")))
    client = ClientFacts("192.0.2.1", "j6hsty3a.hxwk6wmt.rsh2qz5p.ip", "~abcdefghijk")
    assert bans.find(client, 0) is None


def test_bans_are_logged_and_bounded() -> None:
    room = RoomUnderTest(opers={"root": "toor"}, limits=RoomLimits(server_bans=2))
    root = room.join("root", host="203.0.113.1")
    root.send("OPER root toor")
    lines = (b"KLINE 1h 192.0.2.0/24 :sp\x1bam", b"UNKLINE 192.0.2.0/24")
    effects = [room.core.receive(root.client, sent, room.now) for sent in lines]
    logged = [effect for received in effects for effect in received if isinstance(effect, Log)]
    assert logged == [
        Log("operator root bans *@192.0.2.0/24 for 01:00:00: 'sp\\x1bam'"),
        Log("operator root removes the ban of *@192.0.2.0/24"),
    ]
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        root.send_line(f"KLINE {host}")
    assert "*@192.0.2.3 is not banned: there are 2 bans already" in root.read()[-1]
    assert "is banned for ever" in root.send("KLINE 192.0.2.2 :again")[0]

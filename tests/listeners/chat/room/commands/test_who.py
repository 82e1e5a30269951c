"""The commands WHO and WHOX."""

from __future__ import annotations

from netd.listeners.chat.room.settings import Account
from tests.listeners.chat.room.room_under_test import RoomUnderTest, sasl_plain


def test_whox_shows_the_real_address_to_its_owner_and_to_operators() -> None:
    accounts = {"anna": Account("anna", "sesame", host="staff.example")}
    room = RoomUnderTest(accounts=accounts, opers={"root": "toor"})
    ann, bob = room.join("ann", "sasl"), room.join("bob")
    ann.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain('anna', 'sesame')}")
    assert ann.send("WHO ann %hi")[0] == ":irc.test 354 ann 192.0.2.1 staff.example"
    bob.read()
    assert bob.send("WHO ann %hi")[0] == ":irc.test 354 bob 255.255.255.255 staff.example"
    bob.send("OPER root toor")
    assert bob.send("WHO ann %hi")[0] == ":irc.test 354 bob 192.0.2.1 staff.example"


def test_a_mask_that_is_too_long_matches_nothing() -> None:
    ann = RoomUnderTest().join("ann")
    assert ann.codes(f"WHO {'*' * 200}") == ["352", "315"]
    assert ann.codes(f"WHO {'*' * 201}") == ["315"]

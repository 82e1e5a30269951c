"""WHOIS."""

from __future__ import annotations

from netd.listeners.chat.room.settings import Account
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
)

PRINT = "ab" * 32


def test_whois_shows_the_certificate_only_to_its_owner() -> None:
    room = RoomUnderTest()
    ann, bob = room.join("ann", fingerprint=PRINT), room.join("bob")
    shown = f":irc.test 276 ann ann :has client certificate fingerprint {PRINT}"
    assert shown in ann.send("WHOIS ann")
    assert not [line for line in bob.send("WHOIS ann") if " 276 " in line]


def test_whois_shows_the_local_user_and_tls() -> None:
    accounts = {"anna": Account("anna", local_user="anna")}
    room = RoomUnderTest(opers={"root": "toor"}, accounts=accounts)
    ann = room.join("ann")
    bob = room.join("bob", local_user="robert")
    bob.client.is_secure = True
    codes = ann.codes("WHOIS bob")
    assert {"320", "671"} <= {*codes}


def test_whois_shows_the_local_user_of_a_unix_socket() -> None:
    room = RoomUnderTest()
    client = room.connect(host="localhost", local_user="ann")
    client.send("CAP LS 302")
    client.send("CAP REQ sasl", "AUTHENTICATE EXTERNAL")
    assert client.codes("AUTHENTICATE +") == ["900", "903"]
    client.send("NICK annie", "USER other 0 * :Ann", "CAP END")
    received = "\n".join(client.send("WHOIS annie"))
    assert " 311 annie annie ann localhost " in received
    assert "is verified as local user ann" in received

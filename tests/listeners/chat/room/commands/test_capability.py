"""CAP, and sts."""

from __future__ import annotations

from dataclasses import replace

from netd.listeners.chat.room.settings import Account
from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
    find_line,
)

ACCOUNTS = {"anna": Account("Anna", "sesame")}


def test_a_capability_request_is_granted_whole_or_not_at_all() -> None:
    client = RoomUnderTest().connect()
    assert client.send("CAP REQ :batch nonsense") == [":irc.test CAP * NAK :batch nonsense"]
    assert client.send("CAP REQ :batch setname") == [":irc.test CAP * ACK :batch setname"]
    assert client.send("CAP REQ -batch") == [":irc.test CAP * ACK -batch"]
    assert client.send("CAP LIST")[0].endswith("CAP * LIST setname")
    assert client.codes("CAP NONSENSE") == ["410"]


def test_sts_gives_the_port_without_tls_and_the_duration_with_tls() -> None:
    room = RoomUnderTest(sts_port=6697, sts_duration_s=3600)
    clear, secure = room.connect(), room.connect()
    secure.client.is_secure = True
    assert find_line(clear.send("CAP LS 302"), "sts=port=6697")
    assert find_line(secure.send("CAP LS 302"), "sts=duration=3600")
    assert not [line for line in room.connect().send("CAP LS") if "sts" in line]


def test_a_reload_announces_that_sasl_becomes_available_or_unavailable() -> None:
    room = RoomUnderTest()
    asking, silent, early = room.connect(), room.join("silent"), room.connect()
    asking.send("CAP LS 302", "NICK asking", "USER a 0 * :a", "CAP END")
    early.send("CAP LS 302")
    without = room.state.settings

    def reload(accounts: dict[str, Account]) -> list[str]:
        settings = replace(without, accounts=accounts)
        room.apply(room.core.configure(settings, room.now))
        return asking.read()

    assert reload(ACCOUNTS) == [":irc.test CAP asking NEW sasl=PLAIN,SCRAM-SHA-256"]
    assert early.read() == [":irc.test CAP * NEW sasl=PLAIN,SCRAM-SHA-256"]
    assert reload(ACCOUNTS) == []
    asking.send("CAP REQ sasl")
    assert reload({}) == [":irc.test CAP asking DEL sasl"]
    assert asking.send("CAP LIST") == [":irc.test CAP asking LIST cap-notify"]
    assert silent.read() == []

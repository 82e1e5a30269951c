"""PRIVMSG, NOTICE and TAGMSG."""

from __future__ import annotations

import pytest

from tests.listeners.chat.room.room_under_test import (
    RoomUnderTest,
)


def test_a_reader_gets_the_tags_that_it_requested() -> None:
    room = RoomUnderTest()
    plain, timed = room.join("plain"), room.join("timed", "server-time")
    tagged = room.join("tagged", "message-tags")
    room.join("speaker", "message-tags").send("@+typing=active;secret=1 PRIVMSG #room :hi there")
    line = ":speaker!~speaker@192.0.2.1 PRIVMSG #room :hi there"
    assert plain.read() == [line]
    assert timed.read() == [f"@time=2023-11-15T12:00:00.000Z {line}"]
    (seen,) = tagged.read()
    assert seen.startswith("@msgid=id") and ";+typing=active " in seen  # noqa: PT018 (one line)
    assert "secret" not in seen


def test_an_echo_is_sent_once_and_only_where_requested() -> None:
    room = RoomUnderTest()
    bare, echoing = room.join("bare"), room.join("echoing", "echo-message")
    assert bare.send("PRIVMSG #room :one") == []
    echoing.read()
    assert echoing.send("PRIVMSG #room :two") == [":echoing!~echoing@192.0.2.1 PRIVMSG #room :two"]


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("PRIVMSG", ["411"]),
        ("PRIVMSG #room", ["412"]),
        ("PRIVMSG nobody :hi", ["401"]),
        ("PRIVMSG #none :hi", ["403"]),
        ("PRIVMSG a,b,c,d,e :hi", ["401", "401", "401", "401", "407"]),
        ("NOTICE nobody :hi", []),
        ("NOTICE", []),
        ("TAGMSG #room", ["421"]),
        ("NONSENSE", ["421"]),
        ("WHO #room", ["352", "315"]),
    ],
)
def test_an_undeliverable_message_gets_an_error(line: str, codes: list[str]) -> None:
    assert RoomUnderTest().join("alice").codes(line) == codes


def test_a_status_message_reaches_only_members_with_that_status() -> None:
    room = RoomUnderTest()
    op, voiced, plain = room.join("op"), room.join("voiced"), room.join("plain")
    op.send("MODE #room +v voiced")
    for client in (voiced, plain):
        client.read()
    voiced.send("PRIVMSG @#room :for the ops")
    assert "for the ops" in op.read()[0]
    op.send("NOTICE +#room :for the voiced")
    assert "for the voiced" in voiced.read()[0]
    assert plain.read() == []


def test_a_relayed_line_is_cut_between_two_characters() -> None:
    room = RoomUnderTest()
    reader = room.join("reader")
    room.join("speaker").send("PRIVMSG #room :" + "é" * 245)
    assert 505 <= len(reader.received) <= 512
    assert reader.read()[0].endswith("éé")


def test_moderation_and_mutes_block_members_without_voice() -> None:
    room = RoomUnderTest()
    op, client = room.join("op"), room.join("guest")
    outsider = room.join("outsider", channel="")
    assert outsider.codes("PRIVMSG #room :hi") == ["404"]
    op.send("MODE #room +m")
    client.read()
    assert client.codes("PRIVMSG #room :hi") == ["404"]
    op.send("MODE #room +v guest")
    client.read()
    assert client.codes("PRIVMSG #room :hi") == []
    op.send("MODE #room -m+b-v m:guest!*@* guest")
    client.read()
    assert client.codes("PRIVMSG #room :hi") == ["404"]
    op.send("MODE #room +e guest!*@*")
    client.read()
    assert client.codes("PRIVMSG #room :hi") == []


def test_away_is_shown_to_senders_and_to_peers_with_away_notify() -> None:
    room = RoomUnderTest()
    alice, watching = room.join("alice"), room.join("watching", "away-notify")
    alice.read()
    assert alice.codes("AWAY :lunch") == ["306"]
    assert watching.read() == [":alice!~alice@192.0.2.1 AWAY lunch"]
    assert watching.send("PRIVMSG alice :there?") == [":irc.test 301 watching alice lunch"]
    assert alice.codes("AWAY") == ["PRIVMSG", "305"]

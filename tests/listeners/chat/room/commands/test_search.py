"""SEARCH (draft/search)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netd.protocols.irc import format_tags
from tests.listeners.chat.room.commands.test_stored_history import CAPS, log_in, room_with
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest, at


def found(client: FakeClient, **attributes: str) -> list[str]:
    """The texts of the messages that a search finds."""
    client.read()
    words = format_tags({name.strip("_"): value for name, value in attributes.items()})[1:-1]
    lines = client.send(f"SEARCH {words}")
    assert " BATCH +" in lines[0], lines
    assert lines[0].endswith(" draft/search")
    return [line.rsplit(" :", 1)[1] for line in lines[1:-1]]


@pytest.fixture
def room() -> RoomUnderTest:
    room = room_with(1)
    bob = room.join("Bob", *CAPS)
    for text in (
        "The red fox",
        "a fox: quick, RED",
        "Grüße aus Köln",
        "日本語の文",
        "\x0304red\x03 text",
    ):
        room.now += 1
        bob.send(f"PRIVMSG #room :{text}")
    room.now += 1
    room.join("carl").send("NOTICE #room :red notice")
    return room


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"text": "red"}, ["The red fox", "a fox: quick, RED", "\x0304red\x03 text", "red notice"]),
        ({"text": "fox red"}, ["The red fox", "a fox: quick, RED"]),
        ({"text": "red -- fox"}, ["The red fox", "a fox: quick, RED"]),
        ({"text": "quick"}, ["a fox: quick, RED"]),
        ({"text": "qui*"}, []),
        ({"text": "koln grüße"}, ["Grüße aus Köln"]),
        ({"text": "本語"}, ["日本語の文"]),
        ({"text": "red", "limit": "2"}, ["\x0304red\x03 text", "red notice"]),
        ({"text": "red", "from": "CARL"}, ["red notice"]),
        ({"from": "bob", "limit": "1"}, ["\x0304red\x03 text"]),
        ({"text": "red", "in": "#ROOM", "before": at(2).split("=")[1]}, ["The red fox"]),
        ({"text": "red", "after": at(4).split("=")[1]}, ["\x0304red\x03 text", "red notice"]),
        ({"text": 'fox" OR "a'}, ["a fox: quick, RED"][:0]),
        ({"text": "origin:log1"}, []),
        ({"text": "log1"}, []),
    ],
)
def test_a_search_finds_words(
    room: RoomUnderTest, attributes: dict[str, str], expected: list[str]
) -> None:
    assert found(room.join("reader", *CAPS), **attributes) == expected


def test_a_search_finds_what_the_reader_may_read() -> None:
    room = room_with(1)
    alina, robert = log_in(room, "alina"), log_in(room, "robert")
    alina.send("JOIN #den", "MODE #den +k sesame", "PRIVMSG #den :secret word")
    alina.send("PRIVMSG robert :private word", "PRIVMSG #room :open word")
    assert found(alina, text="word") == ["secret word", "private word", "open word"]
    assert found(alina, text="word", in_="robert") == ["private word"]
    assert found(robert, text="word") == ["private word", "open word"]
    robert.send("JOIN #den sesame")
    assert found(robert, text="word", in_="#den") == []
    alina.send("PRIVMSG #den :another word")
    assert found(robert, text="word", in_="#den") == ["another word"]
    guest = room.join("guest", *CAPS)
    assert found(guest, text="word") == ["open word"]
    (line,) = guest.send("SEARCH text=word;in=#den")
    assert " FAIL SEARCH INVALID_PARAMS in " in line


def test_a_message_that_was_deleted_is_not_found(room: RoomUnderTest) -> None:
    alina = log_in(room, "alina")
    alina.send("CAP REQ draft/message-redaction", "PRIVMSG #room :a regrettable word")
    (line,) = [line for line in alina.send("CHATHISTORY LATEST #room * 1") if "regrettable" in line]
    assert found(alina, text="regrettable") == ["a regrettable word"]
    alina.send(f"REDACT #room {line.split('msgid=')[1].split(';')[0].split(' ')[0]}")
    assert found(alina, text="regrettable") == []


@pytest.mark.parametrize(
    "line", ["text=", "in=#room", "text=--", "text=a;limit=x", "text=a;after=b"]
)
def test_a_wrong_search_fails(room: RoomUnderTest, line: str) -> None:
    (reply,) = room.join("reader", *CAPS).send(f"SEARCH {line}")
    assert " FAIL SEARCH INVALID_PARAMS " in reply


def test_a_search_needs_a_database() -> None:
    room = room_with(stores=False)
    reader = room.join("reader", *CAPS)
    assert " NAK " in reader.send("CAP REQ draft/search")[0]
    assert " FAIL SEARCH INTERNAL_ERROR " in reader.send("SEARCH text=a")[0]


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30))
def test_any_text_is_searched_without_an_error(text: str) -> None:
    room = room_with(1)
    reader = room.join("reader", *CAPS)
    reader.send("PRIVMSG #room :x")
    reader.read()
    lines = reader.send(f"SEARCH {format_tags({'text': text})[1:-1] or 'text'}")
    assert not any("INTERNAL_ERROR" in line for line in lines), lines

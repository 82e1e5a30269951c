"""CHATHISTORY when a database has the messages: the memory keeps few of them."""

from __future__ import annotations

import pytest

from netd.listeners.chat.room.settings import Account, RoomLimits
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest, at, sasl_plain

CAPS = ("batch", "server-time", "message-tags", "draft/chathistory", "sasl")
ACCOUNTS = {name: Account(name, "secret") for name in ("alina", "robert")}
FAILURE = "Messages could not be retrieved"


def room_with(lines: int = 3, *, stores: bool = True, **settings: object) -> RoomUnderTest:
    return RoomUnderTest(
        stores_messages=stores,
        accounts=ACCOUNTS,
        limits=RoomLimits(history_lines=lines),
        **settings,
    )


def log_in(
    room: RoomUnderTest, account: str, *, channel: str = "#room", nick: str = ""
) -> FakeClient:
    client = room.connect()
    client.send(f"CAP REQ :{' '.join(CAPS)}", "AUTHENTICATE PLAIN")
    client.send(f"AUTHENTICATE {sasl_plain(account, 'secret')}")
    client.send(f"NICK {nick or account}", "USER u 0 * :real", "CAP END")
    if channel:
        client.send(f"JOIN {channel}")
    return client


def texts(client: FakeClient, query: str = "LATEST #room * 100") -> str:
    """What CHATHISTORY returns; the texts are of one character."""
    client.read()
    lines = client.send(f"CHATHISTORY {query}")
    assert not any(" FAIL " in line for line in lines), lines
    return "".join(line.rsplit(":", 1)[1] for line in lines if " PRIVMSG " in line)


def say(client: FakeClient, letters: str, target: str = "#room") -> None:
    for letter in letters:
        client.room.now += 1
        client.send(f"PRIVMSG {target} :{letter}")


@pytest.mark.parametrize("kept", [1, 4, 100])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("LATEST #room * 3", "789"),
        ("LATEST #room * 100", "0123456789"),
        (f"LATEST #room {at(2)} 50", "23456789"),
        (f"BEFORE #room {at(5)} 2", "23"),
        (f"BEFORE #room {at(59)} 5", "56789"),
        (f"AFTER #room {at(5)} 2", "56"),
        (f"AFTER #room {at(0)} 2", "01"),
        (f"AROUND #room {at(5)} 3", "345"),
        (f"AROUND #room {at(9)} 20", "0123456789"),
        (f"BETWEEN #room {at(3)} {at(7)} 2", "34"),
        (f"BETWEEN #room {at(7)} {at(3)} 2", "45"),
        (f"BETWEEN #room {at(59)} {at(0)} 4", "6789"),
        ("BEFORE #room msgid=id3 5", "01"),
        ("AFTER #room msgid=id3 3", "345"),
        ("AROUND #room msgid=id3 3", "123"),
        ("BETWEEN #room msgid=id8 msgid=id3 20", "3456"),
    ],
)
def test_memory_and_database_select_the_same(kept: int, query: str, expected: str) -> None:
    room = room_with(kept)
    say(room.join("speaker"), "0123456789")
    assert texts(room.join("reader", *CAPS), query) == expected


def test_a_database_that_does_not_answer_is_a_failure() -> None:
    room = room_with()
    room.has_database = False
    say(room.join("speaker"), "0123456789")
    reader = room.join("reader", *CAPS)
    assert texts(reader, "LATEST #room * 3") == "789"  # from memory
    (line,) = reader.send("CHATHISTORY LATEST #room * 4")
    assert line.endswith(f" FAIL CHATHISTORY MESSAGE_ERROR LATEST #room :{FAILURE}")
    (line,) = reader.send(f"CHATHISTORY TARGETS {at(0)} {at(59)} 9")
    assert " FAIL CHATHISTORY MESSAGE_ERROR TARGETS " in line


def test_a_member_that_is_kicked_meanwhile_gets_nothing() -> None:
    room = room_with(0)
    speaker, reader = room.join("speaker"), room.join("reader", *CAPS)
    say(speaker, "a")
    effects = room.core.receive(reader.client, b"CHATHISTORY LATEST #room * 9", room.now)
    speaker.send("KICK #room reader")
    reader.read()
    room.apply(effects)
    (line,) = reader.read()
    assert line.endswith(f" FAIL CHATHISTORY INVALID_TARGET LATEST #room :{FAILURE}")


@pytest.mark.parametrize("stores", [True, False])
@pytest.mark.parametrize("mode", ["+i", "+k sesame"])
def test_what_is_said_in_a_closed_channel_is_for_those_in_it(mode: str, *, stores: bool) -> None:
    room = room_with(100, stores=stores)
    owner = room.join("owner", *CAPS)
    say(owner, "a")
    owner.send(f"MODE #room {mode}")
    say(owner, "b")
    owner.send("INVITE guest #room")
    guest = room.join("guest", *CAPS, channel="")
    owner.send("INVITE guest #room")
    guest.send("JOIN #room")
    say(owner, "c")
    assert texts(guest) == "ac"
    assert texts(owner) == "abc"
    owner.send("MODE #room -ik sesame")
    say(owner, "d")
    assert texts(room.join("later", *CAPS)) == "ad"
    assert texts(guest) == "acd"


def test_an_account_reads_what_was_said_while_it_was_in_the_channel() -> None:
    room = room_with(100)
    owner, alina = room.join("owner", *CAPS), log_in(room, "alina")
    owner.send("MODE #room +k sesame")
    say(owner, "a")
    alina.send("PART #room")
    say(owner, "b")
    alina.send("JOIN #room sesame")
    say(owner, "c")
    owner.send("KICK #room alina")
    say(owner, "d")
    alina.send("QUIT")
    alina = log_in(room, "alina", channel="", nick="other")
    alina.send("JOIN #room sesame")
    say(owner, "e")
    assert texts(alina) == "ace"
    assert texts(alina, "LATEST #room * 2") == "ce"
    assert texts(alina, f"BEFORE #room {at(4)} 5") == "ac"
    robert = log_in(room, "robert", channel="")
    robert.send("JOIN #room sesame")
    assert texts(robert) == ""
    assert texts(owner) == "abcde"


def test_a_member_without_an_account_reads_what_was_said_in_its_present_stay() -> None:
    room = room_with(100)
    owner, guest = room.join("owner", *CAPS), room.join("guest", *CAPS)
    owner.send("MODE #room +k sesame")
    say(owner, "a")
    assert texts(guest) == "a"
    guest.send("PART #room", "JOIN #room sesame")
    say(owner, "b")
    assert texts(guest) == "b"


def test_a_channel_that_is_created_again_is_another_one() -> None:
    room = room_with(100)
    alina = log_in(room, "alina", channel="#den")
    say(alina, "ab", "#den")
    alina.send("PART #den")
    stranger = room.join("stranger", *CAPS, channel="#den")
    say(stranger, "c", "#den")
    assert texts(stranger, "LATEST #den * 9") == "c"
    alina.send("JOIN #den")
    assert texts(alina, "LATEST #den * 9") == "abc"


def test_private_messages_are_read_by_the_accounts_of_both_sides() -> None:
    room = room_with()
    alina, robert = log_in(room, "alina"), log_in(room, "robert", nick="bob")
    guest = room.join("guest", *CAPS)
    say(alina, "a", "bob")
    say(robert, "b", "alina")
    say(guest, "c", "alina")
    say(alina, "d", "guest")
    say(alina, "e", "alina")
    assert texts(alina, "LATEST bob * 9") == "ab"
    assert texts(robert, "LATEST alina * 9") == "ab"
    assert texts(alina, "LATEST guest * 9") == "cd"
    assert texts(guest, "LATEST alina * 9") == ""
    assert texts(alina, "LATEST alina * 9") == "e"
    robert.send("QUIT")
    for name in ("bob", "robert"):
        assert texts(alina, f"LATEST {name} * 9") == "ab"
    later = log_in(room, "robert", nick="rob")
    assert texts(later, f"AFTER alina {at(0)} 9") == "ab"


def test_targets_are_those_with_messages_that_may_be_read() -> None:
    room = room_with()
    owner, alina = room.join("owner", *CAPS), log_in(room, "alina")
    owner.send("JOIN #Closed", "MODE #closed +k sesame")
    say(owner, "a", "#closed")
    say(owner, "b", "#room")
    say(owner, "c", "alina")
    alina.send("JOIN #closed sesame")
    lines = alina.send(f"CHATHISTORY TARGETS {at(0)} {at(59)} 9")
    found = [line.split(" TARGETS ")[1] for line in lines if " TARGETS " in line]
    assert [target.split(" ")[0] for target in found] == ["#room", "owner"]
    say(owner, "d", "#closed")
    lines = alina.send(f"CHATHISTORY TARGETS {at(59)} {at(0)} 1")
    assert [line.split(" TARGETS ")[1].split(" ")[0] for line in lines if " TARGETS " in line] == [
        "#room"
    ]


def test_a_plain_client_gets_the_last_lines_of_the_database() -> None:
    room = room_with(0, replay_lines=2)
    say(room.join("speaker"), "abc")
    newcomer = room.join("newcomer", channel="")
    assert [line.rsplit(" ", 1)[1] for line in newcomer.send("JOIN #room")[-2:]] == ["b", "c"]


def _ids(client: FakeClient, query: str) -> list[str]:
    lines = client.send(f"CHATHISTORY {query}")
    return [
        line.split("msgid=")[1].split(";")[0].split(" ")[0] for line in lines if "msgid=" in line
    ]


def test_a_message_that_only_the_database_has_can_be_deleted() -> None:
    room = room_with(1)
    alina, robert = log_in(room, "alina"), log_in(room, "robert")
    say(alina, "abc")
    say(alina, "xy", "robert")
    first = _ids(alina, "LATEST #room * 9")[0]
    private = _ids(alina, "LATEST robert * 9")[0]
    for client, line, code in (
        (robert, f"REDACT #room {first}", "REDACT_FORBIDDEN"),
        (alina, f"REDACT #room {first}", ""),
        (alina, f"REDACT #room {first}", "UNKNOWN_MSGID"),
        (alina, f"REDACT robert {private}", ""),
        (alina, f"REDACT robert {first}", "UNKNOWN_MSGID"),
    ):
        client.read()
        failures = [got.split(" FAIL REDACT ")[1] for got in client.send(line) if " FAIL " in got]
        assert [failure.split(" ")[0] for failure in failures] == ([code] if code else [])
    assert texts(robert) == "bc"
    assert texts(robert, "LATEST alina * 9") == "y"


@pytest.mark.parametrize("stores", [True, False])
def test_a_message_to_an_account_that_is_absent_is_kept(*, stores: bool) -> None:
    room = room_with(100, stores=stores)
    alina, guest = log_in(room, "alina"), room.join("guest")
    alina.read()
    (reply,) = alina.send("PRIVMSG robert :a", "NOTICE robert :b")
    assert reply.endswith(" 301 alina robert :not here; the message is kept")
    assert guest.codes("PRIVMSG robert :c") == ["401"]
    assert guest.codes("PRIVMSG nobody :c") == ["401"]
    robert = log_in(room, "robert", nick="bob")
    lines = robert.send("CHATHISTORY LATEST alina * 9")
    kept = [line.rsplit(":", 1)[1] for line in lines if " robert :" in line]
    assert kept == ["a", "b"]


def test_times_are_those_that_members_saw() -> None:
    room = room_with(0)
    reader = room.join("reader", *CAPS)
    speaker = room.join("speaker")
    live: list[str] = []
    for number in range(300):
        room.now = 1_795_677_591 + number * 0.00713
        speaker.send("PRIVMSG #room :x", "NOTICE #room :\x02x")
        live += [line.split(" ")[0].split(";")[0] for line in reader.read()]
    lines = reader.send("CHATHISTORY LATEST #room * 100")[1:-1]
    assert [line.split(";")[0] for line in lines] == live[-100:]

from __future__ import annotations

import pytest

from tests.listeners.chat.room.hall import Hall

EVERYTHING = ("server-time", "message-tags", "account-tag", "batch", "echo-message")


def test_each_reader_gets_the_tags_it_asked_for() -> None:
    hall = Hall()
    plain, timed = hall.join("plain"), hall.join("timed", "server-time")
    tagged = hall.join("tagged", "message-tags")
    hall.join("speaker", "message-tags").say("@+typing=active;secret=1 PRIVMSG #room :hi there")
    line = ":speaker!~speaker@192.0.2.1 PRIVMSG #room :hi there"
    assert plain.read() == [line]
    assert timed.read() == [f"@time=2023-11-15T12:00:00.000Z {line}"]
    (seen,) = tagged.read()
    assert seen.startswith("@msgid=id") and ";+typing=active " in seen  # noqa: PT018 (one line)
    assert "secret" not in seen


def test_an_echo_comes_once_and_only_to_those_who_asked() -> None:
    hall = Hall()
    bare, echoing = hall.join("bare"), hall.join("echoing", "echo-message")
    assert bare.say("PRIVMSG #room :one") == []
    echoing.read()
    assert echoing.say("PRIVMSG #room :two") == [":echoing!~echoing@192.0.2.1 PRIVMSG #room :two"]


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
def test_what_cannot_be_delivered_is_told(line: str, codes: list[str]) -> None:
    assert Hall().join("alice").codes(line) == codes


def test_status_messages_reach_only_that_status() -> None:
    hall = Hall()
    op, voiced, plain = hall.join("op"), hall.join("voiced"), hall.join("plain")
    op.say("MODE #room +v voiced")
    for each in (voiced, plain):
        each.read()
    voiced.say("PRIVMSG @#room :for the ops")
    assert "for the ops" in op.read()[0]
    op.say("NOTICE +#room :for the voiced")
    assert "for the voiced" in voiced.read()[0]
    assert plain.read() == []


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("WHOIS :two words", "401 alice * :No such nick/channel"),
        ("JOIN ::colon", "403 alice * :No such channel"),
        ("KICK #room :", "401 alice * :No such nick/channel"),
        ("WHO :two words", "315 alice * :End of WHO list"),
        ("CHATHISTORY :two words", "FAIL CHATHISTORY INVALID_PARAMS * :Unknown command"),
    ],
)
def test_what_cannot_stand_within_an_answer_is_a_star(said: str, answer: str) -> None:
    assert Hall().join("alice").say(said)[0] == f":irc.test {answer}"


def test_a_line_that_is_not_utf8_is_refused_by_a_standard_reply() -> None:
    alice = Hall().join("alice")
    (line,) = alice.say(b"PRIVMSG #room :\xff\xfe")
    assert line == ":irc.test FAIL PRIVMSG INVALID_UTF8 :Your message is not UTF-8"
    assert alice.say(b":alice PRIVMSG #room :\xff") == [line]
    assert alice.say(b"@+typing=\xff") == [line.replace("PRIVMSG", "*")]


def test_a_line_too_long_is_told_and_the_next_one_works() -> None:
    alice = Hall().join("alice")
    assert alice.codes("PRIVMSG #room :" + "x" * 600) == ["417"]
    assert alice.codes("PING ok") == ["PONG"]


def test_a_relayed_line_is_cut_between_two_characters() -> None:
    hall = Hall()
    reader = hall.join("reader")
    hall.join("speaker").say("PRIVMSG #room :" + "é" * 245)
    assert 505 <= len(reader.received) <= 512
    assert reader.read()[0].endswith("éé")


def test_labels_tie_answers_to_their_line() -> None:
    hall = Hall()
    alice = hall.join("alice", "labeled-response", "batch")
    assert alice.say("@label=a PONG x") == ["@label=a :irc.test ACK"]
    assert alice.say("@label=b PING x") == ["@label=b :irc.test PONG irc.test x"]
    start, *inner, end = alice.say("@label=c WHOIS alice")
    assert start.startswith("@label=c :irc.test BATCH +")
    reference = start.split()[3][1:]
    assert end == f":irc.test BATCH -{reference}"
    assert all(each.startswith(f"@batch={reference} ") for each in inner)


def test_moderation_keeps_out_and_voice_lets_through() -> None:
    hall = Hall()
    op, guest = hall.join("op"), hall.join("guest")
    outsider = hall.join("outsider", channel="")
    assert outsider.codes("PRIVMSG #room :hi") == ["404"]
    op.say("MODE #room +m")
    guest.read()
    assert guest.codes("PRIVMSG #room :hi") == ["404"]
    op.say("MODE #room +v guest")
    guest.read()
    assert guest.codes("PRIVMSG #room :hi") == []
    op.say("MODE #room -m+b-v m:guest!*@* guest")
    guest.read()
    assert guest.codes("PRIVMSG #room :hi") == ["404"]
    op.say("MODE #room +e guest!*@*")
    guest.read()
    assert guest.codes("PRIVMSG #room :hi") == []


def test_away_is_told_to_who_writes_and_to_who_asked() -> None:
    hall = Hall()
    alice, watching = hall.join("alice"), hall.join("watching", "away-notify")
    alice.read()
    assert alice.codes("AWAY :lunch") == ["306"]
    assert watching.read() == [":alice!~alice@192.0.2.1 AWAY lunch"]
    assert watching.say("PRIVMSG alice :there?") == [":irc.test 301 watching alice lunch"]
    assert alice.codes("AWAY") == ["PRIVMSG", "305"]

"""The lines that are kept for a member without a connection, and their form for a client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.chat.room.capability import BY_WIRE_NAME, TAG_CAPS, Cap, may_see
from netd.listeners.chat.room.encoded_message import EncodedMessage
from netd.listeners.chat.room.ghost import ALL_CAPS, Ghost
from netd.listeners.chat.room.member import Client
from netd.protocols.irc import Message
from tests.listeners.chat.room.room_under_test import NOON, RoomUnderTest

EVERY_COMMAND = ("PRIVMSG", "NOTICE", "TAGMSG", "JOIN", "353", "CAP", "AWAY", "MARKREAD", "BATCH")


def client_with(*caps: str) -> Client:
    """A client named bob."""
    client = Client("192.0.2.1")
    client.member.set_nick("bob")
    client.set_caps(sum(BY_WIRE_NAME[cap].value for cap in caps))
    return client


def missed(ghost: Ghost, client: Client) -> bytes:
    """All kept lines in the form for a client."""
    parts = iter(lambda: ghost.next_missed(client), None)
    return b"".join(part for part in parts if part is not None)


KEPT = "@time=2023-11-15T12:00:00.000Z;account=Al;msgid=x;+a=b"


@pytest.mark.parametrize(
    ("line", "caps", "form"),
    [
        (f"{KEPT} :al!u@h PRIVMSG #r :hi", [], ":al!u@h PRIVMSG #r :hi"),
        (
            f"{KEPT} :al!u@h PRIVMSG #r :hi",
            ["account-tag"],
            "@account=Al :al!u@h PRIVMSG #r :hi",
        ),
        (
            f"{KEPT} :al!u@h PRIVMSG #r :hi",
            ["message-tags"],
            "@msgid=x;+a=b :al!u@h PRIVMSG #r :hi",
        ),
        (f"{KEPT} :al!u@h TAGMSG #r", [], ""),
        (f"{KEPT} :al!u@h TAGMSG #r", ["message-tags"], "@msgid=x;+a=b :al!u@h TAGMSG #r"),
        (":al!u@h JOIN #r al :Al Real", [], ":al!u@h JOIN #r"),
        (":al!u@h JOIN #r al :Al Real", ["extended-join"], ":al!u@h JOIN #r al :Al Real"),
        (":bob!u@h JOIN #r", [], ""),
        (":bob!u@h PRIVMSG #r :my echo", [], ":bob!u@h PRIVMSG #r :my echo"),
        (":al!u@h KICK #r bob :out", [], ":al!u@h KICK #r bob :out"),
        (":al!u@h MODE #r +o bob", [], ":al!u@h MODE #r +o bob"),
        (":irc.test MODE bob +o", [], ""),
        (":al!u@h INVITE bob #r", [], ":al!u@h INVITE bob #r"),
        (":al!u@h INVITE eve #r", [], ""),
        (":al!u@h INVITE eve #r", ["invite-notify"], ":al!u@h INVITE eve #r"),
        (":al!u@h AWAY :tea", [], ""),
        (":al!u@h AWAY", ["away-notify"], ":al!u@h AWAY"),
        (":al!u@h QUIT", [], ":al!u@h QUIT"),
        (":irc.test 730 bob al!u@h", [], ":irc.test 730 bob al!u@h"),
        ("@label=1 :irc.test 353 bob = #r :bob", ["batch"], ""),
        ("@batch=1 :al!u@h PRIVMSG bob :hi", ["batch"], ":al!u@h PRIVMSG bob :hi"),
        ("PING :irc.test", [], ""),
        ("lf of a line :x", [], ""),
        ("@tags", [], ""),
        (":x", [], ""),
        (":\udcff PRIVMSG", [], ":\udcff PRIVMSG"),
    ],
)
def test_the_form_of_a_line(line: str, caps: list[str], form: str) -> None:
    ghost = Ghost(NOON, "lost", 1000)
    ghost.write(f"{line}\r\n".encode(errors="surrogateescape"))
    expected = f"{form}\r\n" if form else ""
    assert missed(ghost, client_with(*caps)) == expected.encode(errors="surrogateescape")


@given(
    command=st.sampled_from(EVERY_COMMAND),
    text=st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1),
    value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    caps=st.integers(0, ALL_CAPS),
)
def test_a_message_has_the_form_that_the_client_would_have_got(
    command: str, text: str, value: str, caps: int
) -> None:
    tags = {"time": "t", "account": "al", "msgid": "1", "+x": value}
    message = EncodedMessage(Message(command, ("#r", text), "al!u@h", tags), NOON)
    client = client_with()
    client.set_caps(caps | Cap.EXTENDED_JOIN.value)
    ghost = Ghost(NOON, "lost", 1 << 20)
    ghost.write(message.bytes_for(TAG_CAPS))
    seen = missed(ghost, client)
    assert seen in (b"", message.bytes_for(client.tag_caps))
    if command in ("PRIVMSG", "NOTICE", "JOIN"):
        assert seen
    assert may_see(client.caps, "msgid") == client.has(Cap.MESSAGE_TAGS)


def test_too_many_bytes_are_not_kept() -> None:
    ghost = Ghost(NOON, "lost", 10)
    overflows = []
    for line in (b"12345678\r\n", b":a!b@c QUIT\r\n"):
        ghost.write(line)
        overflows.append(ghost.has_overflowed)
    assert overflows == [False, True]
    assert ghost.lines() == b"12345678\r\n"


def test_all_lines_of_a_room_reach_a_member_that_returns() -> None:
    room = RoomUnderTest()
    alice, bob = room.join("alice"), room.join("bob", "netd.dev/resume", "message-tags")
    carol = room.join("carol", "message-tags")
    room.suspend(bob, "Connection lost")
    alice.send(*[f"PRIVMSG #room :{number}" for number in range(300)], "NOTICE #room :end")
    again = room.connect()
    again.send("CAP REQ :message-tags", f"RESUME {bob.client.resume_token}", "NICK bob")
    lines = again.send("USER bob 0 * :bob", "CAP END")
    assert [line for line in lines if "PRIVMSG #room" in line or "NOTICE #room" in line] == (
        carol.read()
    )

"""The room replies with whole lines to any commands in any order, and never fails."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.commands import COMMANDS
from netd.listeners.chat.room.commands.nickserv import SERVICE_COMMANDS
from netd.listeners.chat.room.settings import Account, RegistrationSettings
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest
from tests.support import cheap_keys

WORDS = [
    "#room", "#other", "a", "b", "A", "*", "+", "-", "0", "+b", "-b", "+k", "key", "+l", "-l", "5",
    "+o", "-o", "+imnst", "a!*@*", "m:a", "a:x", "LS", "REQ", "END", "302", "batch", "PLAIN", "",
    "LATEST", "BETWEEN", "TARGETS", "msgid=id1", "timestamp=2023-11-15T12:00:00.000Z", ">0", "C<1",
    "%tcuihsnfdlaor,1", "irc.test", "a,b,#room", "é", "$*", "@#room", "x" * 300, "labeled-response",
    "²", ">²", "a\rb", "+x", "-x", "draft/multiline",
]  # fmt: skip
KEYS = cheap_keys("sesame")
SAID = st.builds(
    lambda tags, command, words, last: " ".join([*tags, command, *words, *last]),
    st.sampled_from([[], ["@label=x"], ["@+typing=active;label=y"], ["@batch=x"]]),
    st.sampled_from(sorted(COMMANDS)),
    st.lists(st.sampled_from([word for word in WORDS if word]), max_size=4),
    st.sampled_from([[], [":"], [":some text"], [":-x"]]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.booleans(), SAID), max_size=25))
def test_any_commands(lines: list[tuple[bool, str]]) -> None:
    room = RoomUnderTest(opers={"a": "b"}, accounts={"acc": Account("acc", "b")}, replay_lines=3)
    clients = [
        room.join(
            "a",
            "labeled-response",
            "batch",
            "message-tags",
            "sasl",
            "echo-message",
            "draft/multiline",
        ),
        room.join("b"),
    ]
    for first, line in lines:
        for answer in clients[0 if first else 1].send(line):
            assert not {"\n", "\r"} & set(answer)
    for client in clients:
        room.leave(client, "gone")
    assert not room.state.members
    assert not room.state.watchers
    assert all(not channel.members for channel in room.state.channels.values())
    assert not room.state.channels


@pytest.mark.parametrize("stage", ["unregistered", "member", "operator"])
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_with_every_two_words(command: str, stage: str) -> None:
    for first in WORDS:
        client = _a_client(stage)
        client.send(command, f"{command} :{first}")
        for second in WORDS:
            client = _a_client(stage) if client.closed else client
            client.send(f"{command} {first or '*'} :{second}")


@pytest.mark.parametrize("nick", ["x", "carl"])
def test_every_command_with_any_number_of_words(nick: str) -> None:
    client = _an_operator(nick)
    for command in [*COMMANDS, *(f"NS {command}" for command in SERVICE_COMMANDS)]:
        for count in (*range(7), 16):
            client = _an_operator(nick) if client.closed else client
            client.send(" ".join([command, *["carl"] * count]))


def _an_operator(nick: str) -> FakeClient:
    """An operator of the server, who is logged in if the nick is that of an account."""
    room = RoomUnderTest(
        opers={"a": "b"},
        registration=RegistrationSettings(),
    )
    room.register_accounts(RegisteredAccount("carl", KEYS, 1.0))
    client = room.join(nick, account="" if nick == "x" else nick)
    client.send("OPER a b")
    return client


def _a_client(stage: str) -> FakeClient:
    room = RoomUnderTest(opers={"a": "b"}, accounts={"acc": Account("acc", "b")})
    if stage == "unregistered":
        return room.connect()
    client = room.join("a", "sasl", "message-tags", "draft/multiline")
    if stage == "operator":
        client.send("OPER a b")
    return client


@given(st.binary(max_size=600))
def test_any_bytes(line: bytes) -> None:
    room = RoomUnderTest()
    room.join("a").send(line.replace(b"\n", b""))

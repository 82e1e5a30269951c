"""The fast path produces the bytes of the command table, and never uses an outdated route."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netd.listeners.chat.room.effect import Broadcast
from netd.listeners.chat.room.encoded_message import TemplateMessage
from netd.listeners.chat.room.fast_path import MAX_ROUTES
from netd.listeners.chat.room.settings import Account
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest, sasl_plain

CAPS = {
    "ann": ("message-tags", "server-time", "echo-message", "draft/chathistory", "batch", "sasl"),
    "bob": (),
    "cyd": ("server-time", "labeled-response", "account-tag"),
}
HEADS = ["PRIVMSG #room", "NOTICE #room", "PRIVMSG #ROOM", "PRIVMSG #other", "PRIVMSG  #room",
         "PRIVMSG @#room", "PRIVMSG #room,#other", "PRIVMSG bob", "PRIVMSG", "PRIVMSG #room x",
         "PRIVMSG #gone", "PRIVMSG #r\xe9"]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from([b"", b"hi", b" :hi", b"\x01ACTION waves\x01", b"\x01VERSION\x01", b"\0"]),
    st.sampled_from([b"x" * 440, b"x" * 460, b"x" * 480, b"x" * 510, b"\xff", b"a\rb"]),
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20).map(
        str.encode
    ),
)
SAID = st.builds(lambda head, text: head.encode() + b" :" + text, st.sampled_from(HEADS), TEXTS)
OTHERS = st.sampled_from([
    "MODE #room +m", "MODE #room -m", "MODE #room +C", "MODE #room -n", "MODE #room +b bob!*@*",
    "MODE #room +b m:cyd!*@*", "MODE #room -b bob!*@*", "MODE #room +v bob", "MODE #room -v bob",
    "NICK robert", "NICK bob", "PART #room", "JOIN #room", "JOIN #other", "KICK #room cyd",
    "MODE bob +B", "AWAY :out", "CAP REQ :echo-message", "CAP REQ :-echo-message", "PING x",
    "CHATHISTORY LATEST #room * 50", "CAP REQ :server-time",
    "CHATHISTORY TARGETS timestamp=2020-01-01T00:00:00.000Z timestamp=2030-01-01T00:00:00.000Z 9",
    "QUIT :bye",
]).map(str.encode)  # fmt: skip
LINES = st.lists(st.tuples(st.sampled_from(sorted(CAPS)), SAID | SAID | SAID | OTHERS), max_size=40)


def _room() -> tuple[RoomUnderTest, dict[str, FakeClient]]:
    accounts = {"anna": Account("anna", "secret")}
    room = RoomUnderTest(channel="#other", accounts=accounts, replay_lines=3)
    clients = {nick: room.join(nick, *caps) for nick, caps in CAPS.items()}
    clients["ann"].send("AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain('anna', 'secret')}")
    return room, clients


def _long(line: bytes) -> bytes:
    """The same line in a form that the fast path never takes."""
    return line.replace(b"PRIVMSG", b"privmsg", 1).replace(b"NOTICE", b"notice", 1)


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_the_fast_path_and_the_command_table_produce_the_same_bytes(
    lines: list[tuple[str, bytes]],
) -> None:
    (short, shorts), (long, longs) = _room(), _room()
    for nick, line in lines:
        short.now = long.now = short.now + 0.25
        shorts[nick].send_line(line)
        longs[nick].send_line(_long(line))
        for name, client in shorts.items():
            assert client.received == longs[name].received
            assert client.member.idle_since == longs[name].member.idle_since
            client.received = longs[name].received = b""
    for name, channel in short.state.channels.items():
        assert channel.messages() == long.state.channels[name].messages()


def _is_short(client: FakeClient, line: str) -> bool:
    effects = client.room.core.receive(client.client, line.encode(), client.room.now)
    return any(isinstance(e, Broadcast) and isinstance(e.message, TemplateMessage) for e in effects)


def test_a_channel_message_takes_the_fast_path() -> None:
    _, clients = _room()
    assert all(_is_short(client, "PRIVMSG #room :hi é") for client in clients.values())
    assert not _is_short(clients["bob"], "privmsg #room :hi")
    assert not _is_short(clients["bob"], "PRIVMSG #other :from outside")


def test_the_number_of_cached_routes_is_limited() -> None:
    room = RoomUnderTest()
    speaker = room.join("ann", channel="#abcdefghijklm")
    for number in range(MAX_ROUTES + 10):
        name = "".join(
            letter.upper() if number >> place & 1 else letter
            for place, letter in enumerate("abcdefghijklm")
        )
        assert _is_short(speaker, f"PRIVMSG #{name} :hi")
    assert room.core.fast_path.route_count <= MAX_ROUTES

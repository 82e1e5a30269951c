"""A room that is saved and loaded goes on as if nothing had happened."""

from __future__ import annotations

import copy
import functools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netd.errors import StateError
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.room_records import RECORDS
from netd.listeners.chat.room.settings import Account, RoomLimits, RoomSettings
from netd.protocols.record import Record
from tests.listeners.chat.room.room_under_test import NOON, FakeClient, RoomUnderTest, sasl_plain
from tests.listeners.chat.room.test_any_line import SAID as ANYTHING
from tests.listeners.chat.room.test_fast_path import SAID as SPOKEN
from tests.support import attributes_of

SETTINGS: dict[str, Any] = {
    "channel": "#lounge",
    "opers": {"root": "toor"},
    "accounts": {"anna": Account("Anna", "sesame"), "bert": Account("bert", "sesame", host="b.b")},
    "replay_lines": 3,
    "limits": RoomLimits(history_lines=12, whowas=4, clients_per_account=3),
    "return_timeout_s": 30.0,
}
CAPS = (
    ("message-tags", "server-time", "echo-message", "batch", "sasl", "draft/chathistory",
     "draft/read-marker", "labeled-response", "cap-notify", "netd.dev/resume"),
    ("account-tag", "server-time", "multi-prefix", "away-notify", "extended-join", "sasl"),
    (),
    ("message-tags", "sasl", "batch", "draft/chathistory", "draft/event-playback"),
)  # fmt: skip
COMMANDS = st.sampled_from([
    "JOIN #room", "JOIN #lounge", "JOIN #new key", "PART #room", "PART #lounge", "NICK n{}",
    "NICK anna", "MODE #room +b a!*@*", "MODE #room +m", "MODE #room -m", "MODE #room +o n1",
    "MODE #room +v n2", "MODE #room +ikl key 5", "MODE #room -il", "MODE #room +I x!*@*",
    "MODE #room", "MODE #room b", "TOPIC #room :new topic", "TOPIC #room", "KICK #room n2 :out",
    "INVITE n0 #room", "INVITE n3 #room", "INVITE", "NAMES #room", "WHO #room", "WHOIS n1",
    "WHOWAS n1", "WHOWAS anna", "LIST", "LUSERS", "STATS u", "ISON n0 n1 n2 n3", "MONITOR + n1,n2",
    "MONITOR - n1", "MONITOR L", "MONITOR S", "AWAY :out", "AWAY", "SETNAME :another name",
    "MODE n{} +i", "MODE n{} +B", "OPER root toor", "CAP LS 302", "CAP LIST", "CAP END",
    "CAP REQ :echo-message", "CAP REQ :-echo-message", "AUTHENTICATE PLAIN", "AUTHENTICATE *",
    f"AUTHENTICATE {sasl_plain('anna', 'sesame')}", f"AUTHENTICATE {sasl_plain('bert', 'sesame')}",
    f"AUTHENTICATE {sasl_plain('bert', 'wrong')}", "AUTHENTICATE " + "A" * 400, "REGAIN",
    "MARKREAD #room timestamp=2023-11-15T12:00:05.000Z", "MARKREAD #room", "PRIVMSG anna :secret",
    "PRIVMSG n1 :to one", "@+x=y;label=l PRIVMSG #room :tagged", "@+x=y TAGMSG #room",
    "CHATHISTORY LATEST #room * 50", "CHATHISTORY LATEST anna * 50",
    "CHATHISTORY LATEST n1 * 50", "USER u 0 * :real",
    "CHATHISTORY TARGETS timestamp=2020-01-01T00:00:00.000Z timestamp=2030-01-01T00:00:00.000Z 9",
    "QUIT :bye", "connect", "connect",
    "join anna", "join anna", "join bert", "join anna",
    "gone", "lost", "lost", "later", "RESUME token1",
    "CAP REQ :netd.dev/resume", "RESUME token2", "RESUME token6",
])  # fmt: skip
LINES = st.one_of(
    COMMANDS.map(str.encode), COMMANDS.map(str.encode), SPOKEN, ANYTHING.map(str.encode)
)
STEPS = st.lists(st.tuples(st.integers(0, 4), LINES), max_size=40)


class Scene:
    """A room and its clients by number; the last one has not registered yet."""

    def __init__(self, room: RoomUnderTest, clients: list[FakeClient]) -> None:
        self.room = room
        self.clients = clients

    def play(self, number: int, line: bytes) -> list[bytes]:
        """Let a client do something; return what each client gets."""
        self.room.now += 0.25
        client = self.clients[number]
        if line.startswith((b"connect", b"join ")):
            if client.closed != "lost":  # its place stays
                self.room.leave(client, "gone")
            self.clients[number] = self.room.connect()
            self._log_in(number, line.removeprefix(b"join ").decode())
        elif line == b"gone" and client.closed != "lost":
            self.room.leave(client, "gone")
            client.closed = "gone"
        elif line == b"lost" and not client.closed:
            self.room.suspend(client, "lost", b":irc.test NOTICE n :unsent\r\n")
            client.closed = "lost"
        elif line == b"later":
            self.room.pass_time(16)
        elif not client.closed:
            client.send_line(line.replace(b"{}", b"%d" % number))
        received = [client.received for client in self.clients]
        for client in self.clients:
            client.received = b""
        return received

    def _log_in(self, number: int, account: str) -> None:
        """Register a client that is logged in to an account: it joins the others of that one."""
        if account in SETTINGS["accounts"]:
            sasl = f"AUTHENTICATE {sasl_plain(account, 'sesame')}"
            for line in ("CAP REQ :sasl netd.dev/resume", "AUTHENTICATE PLAIN", sasl, "CAP END"):
                self.clients[number].send_line(line)
            for line in (f"NICK n{number}", "USER u 0 * :real"):
                self.clients[number].send_line(line)

    def reload(self, **changed: Any) -> Scene:
        """The same scene in another room, which has loaded what this one has saved."""
        saved = json.loads(json.dumps(self.room.core.save()))
        other = RoomUnderTest(**{**SETTINGS, **changed})
        loaded = other.adopt_room(saved, self.room)
        return Scene(other, [self._find(other, client, loaded) for client in self.clients])

    def _find(self, other: RoomUnderTest, client: FakeClient, loaded: list[Client]) -> FakeClient:
        present = self.room.state.clients()
        if client.client in present and not client.closed:
            return other.adopt(loaded[present.index(client.client)])
        gone = other.connect()
        other.tokens -= 1  # the number that the next client has in both rooms
        other.leave(gone, "gone")
        gone.closed = client.closed
        return gone


def scene() -> Scene:
    room = RoomUnderTest(**SETTINGS)
    clients = [room.join(f"n{number}", *caps) for number, caps in enumerate(CAPS)]
    return Scene(room, [*clients, room.connect(local_user="eve")])


@settings(max_examples=400, deadline=None)
@given(STEPS, STEPS)
def test_a_loaded_room_continues_with_the_same_bytes(
    before: list[tuple[int, bytes]], after: list[tuple[int, bytes]]
) -> None:
    first = scene()
    for number, line in before:
        first.play(number, line)
    second = first.reload()
    assert second.room.core.save() == first.room.core.save()
    second.room.apply(second.room.core.configure(first.room.state.settings, first.room.now))
    assert [client.received for client in second.clients] == [b""] * len(second.clients)
    assert second.room.state.memory.kept == first.room.state.memory.kept
    for number, line in after:
        assert second.play(number, line) == first.play(number, line)


def _busy_scene() -> Scene:
    played = scene()
    for number, line in [
        (0, f"AUTHENTICATE PLAIN\nAUTHENTICATE {sasl_plain('anna', 'sesame')}"),
        (1, "TOPIC #room :what we speak about\nMODE #room +b *!*@bad"),
        (0, "MODE #room +kl key 10\nMODE #room +b a!*@*\nMODE #room +e b!*@*\nINVITE n3 #lounge"),
        (0, "JOIN #lounge\nINVITE n3 #lounge\nPRIVMSG #room :one\nPRIVMSG #lounge :two"),
        (0, "MARKREAD #room timestamp=2023-11-15T12:00:05.000Z\nMONITOR + n1,nobody"),
        (1, "PRIVMSG n0 :private\n@+x=y PRIVMSG #room :tagged\nNICK other\nAWAY :out"),
        (3, "@+x=y PRIVMSG #room :tagged\nPRIVMSG #room :\u00e9t\u00e9"),
        (2, "OPER root toor\nPRIVMSG #room :three"),
        (1, "lost"),
        (4, "NICK new\nCAP LS 302\nCAP REQ :sasl\nAUTHENTICATE EXTERNAL"),
    ]:
        for part in line.split("\n"):
            played.play(number, part.encode())
    return played


@functools.cache
def _busy_room() -> str:
    """Its room, as it is saved."""
    return json.dumps(_busy_scene().room.core.save())


def test_other_settings_are_applied_to_a_loaded_room() -> None:
    busy = _busy_scene()
    fewer = RoomLimits(history_lines=2, whowas=1)
    second = busy.reload(channel="#other", limits=fewer, accounts={}, sts_port=6697)
    state = second.room.state
    changed = RoomSettings("irc.test", channel="#other", limits=fewer)
    second.room.apply(second.room.core.configure(changed, second.room.now))
    assert second.clients[0].read()[0].endswith("CAP n0 DEL sasl")
    assert {folded: channel.is_persistent for folded, channel in state.channels.items()} == {
        "#room": False,
        "#lounge": False,
        "#other": True,
    }
    assert len(state.channels["#room"].history.entries) == 2
    assert len(state.whowas) == 1


def test_no_number_that_a_client_sends_keeps_the_room_from_being_loaded() -> None:
    first, huge = scene(), "9" * 400
    for line in (
        *(f"CAP LS {huge}", f"LIST >{huge},C<{huge}", f"MODE #room +l {huge}", f"WHOWAS n1 {huge}"),
        *(f"CHATHISTORY LATEST #room * {huge}", f"SEARCH limit={huge};text=a", f"KLINE {huge} *@x"),
        *(f"MARKREAD #room timestamp={huge}", f"AUTHENTICATE {huge}", f"BATCH +{huge} x {huge}"),
    ):
        for number in range(len(CAPS)):
            first.play(number, line.encode())
    assert first.reload().room.core.save() == first.room.core.save()


def test_message_ids_are_never_used_again() -> None:
    busy = _busy_scene()
    second = busy.reload()
    before = [message.tags["msgid"] for message in busy.room.state.channels["#room"].messages()]
    second.clients[0].send("PRIVMSG #room :after")
    after = [message.tags["msgid"] for message in second.room.state.channels["#room"].messages()]
    assert after[:-1] == before
    assert len({*after}) == len(after)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.cls.__name__)
def test_every_attribute_is_saved_or_has_a_reason_not_to_be(record: Record) -> None:
    assert {*record.saved, *record.unsaved} == attributes_of(record.cls)
    assert all(record.unsaved.values())


VALUES = st.sampled_from(
    [None, True, -1, 0, 1, 7, 1 << 70, 0.5, float("nan"), 1e300, "", "x", "#room", "\ud800", "a\nb",
     [], [1], [[0, "o"]], [["a", "b", 1]], {}, {"a": 1}, {"n0": "n0"}]
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_a_malformed_room_is_refused_and_changes_nothing(data: st.DataObject) -> None:
    saved = json.loads(_busy_room())
    for _ in range(data.draw(st.integers(1, 3))):
        spoil(saved, data)
    room = RoomUnderTest(**SETTINGS)
    before = room.core.save()
    try:
        clients = room.adopt_room(saved, room)
    except StateError:
        assert room.core.save() == before
        return
    _use(room, [room.adopt(client) for client in clients])


def _use(room: RoomUnderTest, clients: list[FakeClient]) -> None:
    """A room that could be loaded works."""
    room.apply(room.core.configure(RoomSettings("irc.test", **SETTINGS), NOON))
    for client in clients:
        client.send(
            "PRIVMSG #room :hi", "CHATHISTORY LATEST #room * 9", "WHOWAS other", "WHO #room"
        )
        client.send("MODE #room b", "TOPIC #room", "JOIN #room key", "LIST", "NAMES #room", "QUIT")
        room.leave(client, "gone")
    json.dumps(room.core.save())


def spoil(saved: Any, data: st.DataObject) -> None:
    """Change or remove one value at any depth."""
    place = saved
    while True:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
            place = inner
            continue
        if data.draw(st.booleans()):
            place[key] = copy.deepcopy(data.draw(VALUES))
        elif data.draw(st.booleans()) and isinstance(place, list):
            place.append(copy.deepcopy(inner))
        else:
            del place[key]
        return

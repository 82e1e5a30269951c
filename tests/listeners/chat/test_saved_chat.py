"""A chat service is saved and loaded within one process: malformed states, lost connections."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netd.config.address import Address
from netd.config.schema import read_options
from netd.errors import StateError
from netd.listeners.chat.channel_store import ChannelStore
from netd.listeners.chat.gatekeeper import ConnectThrottle, Gatekeeper
from netd.listeners.chat.handover_driver import HandoverDriver
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.service import ChatService
from netd.listeners.kind import Handover, ListeningSocket
from netd.listeners.logins.login_queue import LoginQueue
from netd.listeners.logins.password_verifier import PasswordVerifier
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.listeners.chat.room.test_saved_room import spoil
from tests.support import PATIENCE_S, attributes_of, make_certificate

GOLDEN = Path(__file__).parents[2] / "cases" / "chat" / "handover"
ACCOUNT = {"name": "anna", "password": "sesame"}
_LONG_TIMES = dict.fromkeys(("ping_after", "registration_timeout", "return_timeout"), "1h")


class Daemon:
    """The supervisor, which is not called here."""

    datagram_names: frozenset[int | str] = frozenset()
    handoff_queues: ClassVar[dict[str, socket.socket]] = {}
    gets_handoffs = False
    worker_number = 0

    def request_status(self, on_status: Any) -> None:
        raise NotImplementedError

    def request_reload(self, on_result: Any) -> None:
        raise NotImplementedError


class Side:
    """A chat service on a loop of its own, with clients over socket pairs."""

    def __init__(self, stack: ExitStack, *, is_successor: bool = False, **options: Any) -> None:
        """A successor loads a state before its loop turns."""
        self.loop = Loop(EpollPoller())
        stack.callback(self.loop.close)
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        stack.callback(listening.close)
        self.name = listening.getsockname()
        address = "tcp://127.0.0.1:0"
        given = {"kind": "chat", "address": address, "server_name": "irc.test", "poller": "epoll"}
        made = read_options(ChatOptions, {**given, **_LONG_TIMES, "flood_rate": 0, **options})
        sockets = [ListeningSocket(Address.parse(address), listening)]
        self.service = ChatService(self.loop, made, sockets, Daemon())
        self._stack = stack
        stack.callback(self.close)
        if not is_successor:
            self.turn()

    def connect(self, *lines: str) -> Client:
        """A client that has sent some lines, and has got the replies."""
        client = Client(socket.create_connection(self.name))
        self._stack.callback(client.sock.close)
        client.send(*lines)
        client.sync(self)
        return client

    def turn(self) -> None:
        """Let the loop turn some times."""
        for _ in range(4):
            self.loop.defer(lambda: None)
            self.loop.turn()

    def save(self) -> Handover:
        prepared: list[bool] = []
        self.service.prepare_handover(PATIENCE_S, lambda: prepared.append(True))
        while not prepared:
            self.loop.turn()
        handover = self.service.save()
        return Handover(json.loads(json.dumps(handover.state)), handover.descriptors)

    def stop(self) -> None:
        """End the service, and its thread."""
        if not self.loop.is_running:
            return
        self.service.drain(0, stopping=True)
        while self.loop.is_running:
            self.loop.turn()

    def close(self) -> None:
        """End the service, and close what a process keeps until its end."""
        self.stop()
        verifier = self.service._room._verifier
        if not verifier._has_thread:  # else it may still write
            self.loop.unwatch(verifier._wakeup)
            os.close(verifier._wakeup)


class Client:
    """The other end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)
        self._received = b""

    def send(self, *lines: str) -> None:
        self.sock.send("".join(f"{line}\r\n" for line in lines).encode())

    def sync(self, side: Side) -> list[str]:
        """The lines up to the reply to a PING."""
        self.send("PING sync")
        *lines, _ = self.read_until(side, "PONG irc.test sync")
        return lines

    def read_until(self, side: Side, text: str) -> list[str]:
        """The lines up to one with a text; the service works meanwhile."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            side.turn()
            with contextlib.suppress(BlockingIOError):
                self._received += self.sock.recv(1 << 20)
            place = self._received.find(text.encode())
            if place >= 0:
                end = self._received.find(b"\r\n", place)
                lines, self._received = self._received[:end], self._received[end + 2 :]
                return lines.decode().split("\r\n")
        raise AssertionError(f"no {text} in {self._received!r}")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def duplicates(handover: Handover) -> dict[int, int]:
    """The descriptors as another process would get them."""
    return {place: os.dup(fd) for place, fd in enumerate(handover.descriptors)}


def scene(stack: ExitStack, **options: Any) -> tuple[Side, list[Client]]:
    """A service with members, one of them with an account, and a client that registers."""
    side = Side(stack, accounts=[ACCOUNT], password="", **options)
    anna = side.connect("CAP REQ :sasl", "NICK anna", "USER a 0 * :a", "AUTHENTICATE PLAIN")
    anna.send("AUTHENTICATE AGFubmEAc2VzYW1l", "CAP END", "JOIN #room")
    anna.sync(side)
    bob = side.connect("NICK bob", "USER b 0 * :b", "JOIN #room", "PRIVMSG #room :hello")
    new = side.connect("NICK new", "CAP LS 302")
    anna.sync(side)
    new.sock.send(b"USER n")
    return side, [anna, bob, new]


def taken_over(
    stack: ExitStack, handover: Handover, descriptors: Mapping[int, int], **options: Any
) -> Side:
    side = Side(stack, accounts=[ACCOUNT], **options)
    side.service.load(handover.state)(descriptors)
    side.turn()
    return side


def test_clients_are_continued(stack: ExitStack) -> None:
    before, (anna, bob, new) = scene(stack)
    handover = before.save()
    side = taken_over(stack, handover, duplicates(handover))
    bob.send("PRIVMSG #room :after")
    new.sock.send(b" 0 * :n\r\nCAP END\r\n")
    assert anna.read_until(side, "PRIVMSG") == [":bob!~b@127.0.0.1 PRIVMSG #room :after"]
    assert " 001 new " in new.sync(side)[0]
    assert bob.sync(side) == []
    assert side.service.counters().gauges["connections"] == 3


def test_connections_that_did_not_arrive_are_lost(stack: ExitStack) -> None:
    before, (_anna, bob, _new) = scene(stack)
    handover = before.save()
    descriptors = duplicates(handover)
    side = taken_over(stack, handover, {1: descriptors.pop(1)})
    for descriptor in descriptors.values():
        os.close(descriptor)
    assert bob.sync(side) == []  # anna has an account, and can come back
    assert side.service.counters().shared["members"] == 2
    unknown = taken_over(stack, handover, {9: os.dup(handover.descriptors[0])})
    assert unknown.service.counters().shared["members"] == 1


def test_select_closes_the_clients_that_it_cannot_watch(
    stack: ExitStack, many_descriptors: None
) -> None:
    assert many_descriptors is None
    before, (anna, bob, _new) = scene(stack)
    handover = before.save()
    descriptors = duplicates(handover)
    os.dup2(descriptors[1], 1500)
    os.close(descriptors[1])
    side = taken_over(stack, handover, {**descriptors, 1: 1500}, poller="select")
    bob.read_until(side, "ERROR :Closing link: (the server is full)")
    assert anna.sync(side) == [":bob!~b@127.0.0.1 QUIT :Connection lost in a restart"]
    assert side.service.counters().shared["members"] == 2


def test_a_second_room_is_refused(stack: ExitStack) -> None:
    before, _ = scene(stack)
    handover = before.save()
    side = taken_over(stack, handover, duplicates(handover))
    with pytest.raises(StateError):
        side.service.load(handover.state)


def test_a_service_goes_on_after_an_abandoned_handover(stack: ExitStack, tmp_path: Path) -> None:
    before, (anna, bob, _new) = scene(stack, history_file=str(tmp_path / "chat.db"))
    anna.send("JOIN #lounge", "PRIVMSG #lounge :kept")
    bob.sock.send(b"PRIVMSG #room :par")
    anna.sync(before)
    before.save()
    before.service.resume()
    bob.sock.send(b"tial\r\n")
    assert anna.read_until(before, "PRIVMSG") == [":bob!~b@127.0.0.1 PRIVMSG #room :partial"]
    before.stop()


SAVED, ARGUMENT, TRANSIENT = "saved", "an argument of the constructor", "transient"
PARTS: dict[type, dict[str, str]] = {
    Room: {
        "state": SAVED,
        "fast_path": "a cache",
        "_pending": "replies are completed",
        "_slice_work": "a constant between two inputs",
    },
    ChatService: {
        **dict.fromkeys(("_gatekeeper", "_room", "_connections", "_proxy_headers"), SAVED),
        **dict.fromkeys(("_loop", "_options"), ARGUMENT),
        **dict.fromkeys(("_certificate", "_credentials"), "of files that the options name"),
        "_handoffs": "of queues, which each process is given",
        "_hooks": "members whose places are kept; their requests are sent again",
        **dict.fromkeys(("_checks", "_preparation", "_garbage"), TRANSIENT),
    },
    Gatekeeper: {
        "_throttle": SAVED,
        "_connections": ARGUMENT,
        **dict.fromkeys(("_too_often", "_poller_full"), "totals of the process"),
    },
    ConnectThrottle: {"_buckets": SAVED},
    HandoverDriver: {
        **dict.fromkeys(("_room", "_store", "_sessions", "_verifier"), SAVED),
        **dict.fromkeys(("_checks", "_reloading"), SAVED),
        **dict.fromkeys(("_loop", "_daemon", "_notify_closed"), ARGUMENT),
        "_fanout": "empty at the end of a turn, and made anew",
        **dict.fromkeys(("_backlog", "may_bypass", "note_bypass", "serve_later"), "made anew"),
        **dict.fromkeys(("_chores", "_is_checking"), "completed before"),
        "_account_edits": "looks in the database again",
        "_lost_sessions": "their clients are told already",
        **dict.fromkeys(("_disconnected", "lines", "_bytes_in", "_bytes_out"), "totals"),
        **dict.fromkeys(("_snapshots", "_has_loaded", "_missed_after"), TRANSIENT),
    },
    ChannelStore: {
        "_kept_members": "a new process writes them all again",
        **dict.fromkeys(("_changed", "_waiting"), SAVED),
        **dict.fromkeys(("_loop", "_room", "_options"), ARGUMENT),
        **dict.fromkeys(("_database", "_is_open", "_is_asking", "_timer"), "closed"),
        "_lost_earlier": "a total of the process",
        "found_accounts": "read from the file again",
        "_repeated": "a file that lacks changes is found to be new by the next process too",
    },
    PasswordVerifier: {
        **dict.fromkeys(("_queue", "_known", "_key"), SAVED),
        **dict.fromkeys(("_pending", "_unfinished"), "the clients' checks are repeated"),
        "_loop": ARGUMENT,
        "_login_log": "limits the lines of one process",
        **dict.fromkeys(("_wrong", "_unchecked"), "totals of the process"),
        **dict.fromkeys(("_retry", "_in_thread", "_results", "_wakeup"), TRANSIENT),
        **dict.fromkeys(("_has_thread", "_is_busy"), TRANSIENT),
    },
    LoginQueue: {
        "_sources": SAVED,
        "options": ARGUMENT,
        **dict.fromkeys(("_queued", "_waiting"), "the clients' checks are repeated"),
        "_serial": "an order among the sources of one process",
    },
}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_attribute_is_saved_or_has_a_reason_not_to_be(part: type) -> None:
    assert {*PARTS[part]} == {
        name for name in attributes_of(part) if not name.startswith("__") and name != "_is_protocol"
    }


def snapshot(side: Side, within_s: float = PATIENCE_S) -> dict[str, Any] | None:
    """The next snapshot of a service; None if nothing has changed."""
    snapshots: list[bytes] = []
    side.service.snapshot(lambda pieces: snapshots.append(b"".join(pieces)))
    end = time.monotonic() + within_s
    while not snapshots and time.monotonic() < end:
        side.turn()
    return json.loads(snapshots[0]) if snapshots else None


def test_the_successor_of_a_killed_process_continues_a_snapshot(stack: ExitStack) -> None:
    before, (anna, bob, _new) = scene(stack)
    anna.send("MODE #room +b evil!*@*", "PRIVMSG #room :kept")
    anna.sync(before)
    assert snapshot(before) is not None
    assert snapshot(before, within_s=0.3) is None
    anna.send("TOPIC #room :changed")
    anna.sync(before)
    assert bob.sync(before)
    state = snapshot(before)
    assert state is not None
    side = Side(stack, accounts=[ACCOUNT])
    side.service.load(state)({})
    side.turn()
    assert side.service.counters().gauges["ghosts"] == 1  # bob cannot prove that he is bob
    again = side.connect("CAP REQ :sasl", "NICK anna", "USER a 0 * :a", "AUTHENTICATE PLAIN")
    again.send("AUTHENTICATE AGFubmEAc2VzYW1l", "CAP END", "MODE #room b", "TOPIC #room")
    text = "\n".join(again.sync(side))
    assert "QUIT" in text  # of bob: anna has missed it
    assert " JOIN #room" in text
    assert " 367 anna #room evil!*@* " in text
    assert " 332 anna #room changed" in text
    assert side.service.counters().totals["returned"] == 1


def test_what_was_said_after_a_snapshot_comes_from_the_file_once(
    stack: ExitStack, tmp_path: Path
) -> None:
    stored = {"history_file": str(tmp_path / "db"), "accounts": [ACCOUNT]}
    before, (anna, *_) = scene(stack, history_file=str(tmp_path / "db"))
    anna.send("PRIVMSG #room :first")
    anna.sync(before)
    state = snapshot(before)
    anna.send("PRIVMSG #room :second", "PRIVMSG #room :third")
    anna.sync(before)
    before.stop()  # which completes the writes, as those of a killed process are within 10 ms
    side = Side(stack, is_successor=True, **stored)
    assert state is not None
    side.service.load(state)({})
    side.turn()
    again = side.connect("CAP REQ :sasl", "NICK anna", "USER a 0 * :a", "AUTHENTICATE PLAIN")
    again.send("AUTHENTICATE AGFubmEAc2VzYW1l", "CAP END", "PRIVMSG #room :fourth")
    again.sync(side)
    for count in (4, 50):  # from memory, and from the file
        again.send(f"CHATHISTORY LATEST #room * {count}")
        texts = [line.rsplit(":", 1)[1] for line in again.sync(side) if " PRIVMSG " in line]
        assert texts == ["hello", "first", "second", "third", "fourth"][-count:]


def test_private_messages_in_memory_move_to_the_file(stack: ExitStack, tmp_path: Path) -> None:
    before, (anna, *_) = scene(stack)
    anna.send("PRIVMSG bob :to bob", "PRIVMSG anna :to myself")
    anna.sync(before)
    state = before.save().state
    stored = {"history_file": str(tmp_path / "db"), "accounts": [ACCOUNT]}
    side = Side(stack, is_successor=True, **stored)
    side.service.load({**state, "sessions": []})({})
    side.turn()
    again = side.connect("CAP REQ :sasl", "NICK anna", "USER a 0 * :a", "AUTHENTICATE PLAIN")
    again.send("AUTHENTICATE AGFubmEAc2VzYW1l", "CAP END", "PING x")
    again.sync(side)
    for target, text in (("bob", "to bob"), ("anna", "to myself")):
        again.send(f"CHATHISTORY LATEST {target} * 9")
        lines = again.sync(side)
        assert [line.rsplit(" :", 1)[1] for line in lines if " PRIVMSG " in line] == [text], lines


def test_a_snapshot_gets_new_message_ids(stack: ExitStack) -> None:
    before, _ = scene(stack)
    state = before.save().state
    first = Side(stack)
    first.service.load({**state, "sessions": [], "is_snapshot": True})({})
    second = Side(stack)
    second.service.load(state)({})
    known = state["room"]["ids"]["identity"]
    assert second.save().state["room"]["ids"]["identity"] == known
    assert first.save().state["room"]["ids"]["identity"] != known


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_malformed_state_is_refused_and_changes_nothing(data: st.DataObject) -> None:
    with ExitStack() as stack:
        state = copy.deepcopy(_STATE)
        for _ in range(data.draw(st.integers(1, 3))):
            spoil(state, data)
        side = Side(stack)
        before = side.service.save().state
        try:
            attach = side.service.load(state)
        except StateError:
            assert side.service.save().state == before
            return
        ours, theirs = socket.socketpair()
        with ours:
            attach({0: theirs.detach()})
            with contextlib.suppress(BrokenPipeError):  # no session has the position
                ours.send(b"NICK other\r\nJOIN #room\r\nPRIVMSG #room :hi\r\n")
            side.turn()
            side.service.counters()
            side.stop()


def _make_state() -> dict[str, Any]:
    with ExitStack() as stack:
        before, clients = scene(stack)
        clients[1].send(*["WHO #room"] * 5)
        before.turn()
        return before.save().state


_STATE = _make_state()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.name)
def test_the_states_of_all_releases_can_be_loaded(path: Path, stack: ExitStack) -> None:
    side = Side(stack, accounts=[ACCOUNT])
    state = json.loads(path.read_text())
    side.service.load(state)({})
    side.turn()
    assert side.service.counters().gauges["ghosts"] > 0
    client = side.connect("NICK x", "USER x 0 * :x")
    client.send("JOIN #room", "TOPIC #room", "MODE #room b")
    text = "\n".join(client.sync(side))
    assert "#room :set before the restart" in text
    assert " 367 x #room evil!*@* " in text
    assert "said before" in text


def test_a_state_of_a_later_minor_version_can_be_loaded(stack: ExitStack) -> None:
    later = copy.deepcopy(_STATE)
    room = later["room"]
    objects = [later, room, *room["members"], *room["channels"], *later["sessions"]]
    objects += [room["ids"], room["offers"], *(session["framer"] for session in later["sessions"])]
    for saved in objects:
        saved["later"] = [1]
    room["caps"].insert(3, "later-capability")
    for member in room["members"]:
        member["caps"] = _with_bit(member.get("caps", 0), 3)
    for channel in room["channels"]:
        history = channel["history"]
        for row in (*history["templates"], *history["entries"], channel["topic"] or []):
            row.append("later")
    rooms = []
    for state in (later, _STATE):
        side = Side(stack)
        attach = side.service.load(state)
        rooms.append(side.service.save().state["room"])
        attach({})
    assert rooms[0] == rooms[1]


def _with_bit(bits: int, place: int) -> int:
    """The bits with another one inserted, which is set."""
    low = bits & ((1 << place) - 1)
    return low | 1 << place | (bits >> place) << (place + 1)


def test_tls_connections_are_closed(stack: ExitStack, tmp_path: Path) -> None:
    side = Side(stack, tls=make_certificate(tmp_path, "one.test"))
    client = Client(socket.create_connection(side.name))
    stack.callback(client.sock.close)
    while not side.service.counters().gauges["connections"]:
        side.turn()
    assert not side.save().descriptors
    side.turn()
    assert side.service.counters().gauges["connections"] == 0
    assert client.sock.recv(100) == b""

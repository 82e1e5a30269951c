"""A line that is typed at any moment, before or after a crash of the server, is said once."""

from __future__ import annotations

import json
from collections import deque

from netd.client.core.chat_events import (
    ChatMessage,
    Delivered,
    Effect,
    Refused,
    Undelivered,
)
from netd.client.core.client_state import Identity
from netd.client.core.irc_client import IrcClient
from tests.client.core.feeding import events, feed, lines
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest

TEXT = "hello"
NEVER = 0


class Talk:
    """netd-chat's client and a room, which answers each of its lines at once.

    A moment follows each line that the client receives, and each change of the connection.
    """

    def __init__(self, typed_at: int = NEVER, crash_at: int = NEVER) -> None:
        self.shown: list[Effect] = []
        self.moment = 0
        self.rooms: list[str] = []
        """Snapshots of the room, one at each moment, if no line is typed."""
        self._client = IrcClient(Identity("bob"))
        self._room = RoomUnderTest()
        self._typed_at, self._crash_at = typed_at, crash_at
        self._session: FakeClient | None = None
        self._incoming: deque[str] = deque()

    def connect(self) -> None:
        """Connect, and exchange lines until neither side has more to say."""
        self._session = self._room.connect()
        self._pass_on(self._client.connected())
        self._pass_moment()
        while self._incoming:
            self._pass_on(feed(self._client, self._incoming.popleft()))
            self._pass_moment()

    def crash(self, snapshot: str) -> None:
        """Lose the connection and the room; the next room has this snapshot, or is empty."""
        self._session = None
        self._incoming.clear()
        self._client.disconnected()
        before, self._room = self._room, RoomUnderTest()
        for lost in self._room.adopt_room(json.loads(snapshot), before) if snapshot else ():
            self._room.suspend(self._room.adopt(lost), "crashed")
        self._pass_moment()

    def history(self) -> list[str]:
        """The lines of the history of the channel."""
        reader = self._room.join("reader", "batch", "draft/chathistory", channel="#lounge")
        return reader.send("CHATHISTORY LATEST #lounge * 50")

    def _pass_moment(self) -> None:
        self.moment += 1
        if self.moment == self._typed_at:
            self._pass_on(self._client.type(TEXT))
        self._pass_on(self._client.due(self.moment))
        if self._typed_at == NEVER:
            self.rooms.append(self._snapshot())
        if self.moment == self._crash_at:
            self.crash(self._snapshot())

    def _snapshot(self) -> str:
        return json.dumps(self._room.core.save())

    def _pass_on(self, effects: list[Effect]) -> None:
        self.shown += events(effects)
        if self._session is not None:
            for line in lines(effects):
                self._incoming += self._session.send(line)


def assert_said_once(talk: Talk) -> None:
    shown = [event for event in talk.shown if isinstance(event, ChatMessage)]
    assert [(event.text, event.mine) for event in shown] == [(TEXT, True)]
    assert talk.shown.count(Delivered("#lounge", TEXT)) == 1
    assert not any(isinstance(event, Refused | Undelivered) for event in talk.shown)


def test_a_line_typed_at_any_moment_is_said_once() -> None:
    """With a crash after which the room has a snapshot of any moment, or none."""

    def play(typed_at: int, snapshot: str) -> Talk:
        talk = Talk(typed_at)
        talk.connect()
        talk.crash(snapshot)
        talk.connect()
        return talk

    for snapshot in dict.fromkeys(["", *play(NEVER, "").rooms]):
        for typed_at in range(1, play(NEVER, snapshot).moment + 1):
            assert_said_once(play(typed_at, snapshot))


def test_a_line_that_is_said_while_the_server_crashes_is_said_once() -> None:
    quiet = Talk()
    quiet.connect()
    for crash_at in range(1, quiet.moment + 3):
        talk = Talk(typed_at=quiet.moment, crash_at=crash_at)
        talk.connect()
        talk.connect()
        assert_said_once(talk)
        assert sum(TEXT in line for line in talk.history()) == 1

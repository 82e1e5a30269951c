"""A room with clients and no connections: its effects are applied to lists of lines."""

from __future__ import annotations

import base64
import sqlite3
import weakref
from collections.abc import Iterable
from typing import Any

from netd.listeners.chat.room.account_changes import LoadAccounts, StoreAccount
from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.effect import (
    Ask,
    Broadcast,
    Close,
    Effect,
    GiveUp,
    KeepLines,
    Log,
    Record,
    Send,
    Store,
    TakePlace,
    Verify,
)
from netd.listeners.chat.room.encoded_message import position_of_entry
from netd.listeners.chat.room.ghost import Ghost
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.saved_room import load_room
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.room.storage import Change, Query, QueryFailedError
from netd.listeners.chat.room.stored_message import AddMessage
from netd.listeners.chat.storage.schema import migrate
from netd.listeners.chat.storage.tables import answer, write_changes
from netd.protocols.irc import fold
from netd.protocols.password import Verdict, matches

NOON = 1_700_049_600.0  # 2023-11-15T12:00:00Z


class FakeClient:
    """A client of the room, with the bytes that the room has sent it."""

    def __init__(self, room: RoomUnderTest, client: Client) -> None:
        self.room = room
        self.client = client
        self.received = b""
        self.closed = ""  # the reason, once the room has closed the connection

    @property
    def member(self) -> Member:
        """The member of the client."""
        return self.client.member

    def send(self, *lines: str | bytes) -> list[str]:
        """Send lines; return what the client has received since the last read."""
        for line in lines:
            self.send_line(line)
        return self.read()

    def send_line(self, line: str | bytes) -> None:
        """Send a line."""
        raw = line.encode() if isinstance(line, str) else line
        self.room.apply(self.room.core.receive(self.client, raw, self.room.now))
        while self.client.is_replying:
            self.room.apply(self.room.core.resume(self.client, self.room.now))

    def read(self) -> list[str]:
        """The lines received since the last read."""
        text, self.received = self.received.decode(), b""
        assert not text or text.endswith("\r\n")
        return text.split("\r\n")[:-1]

    def codes(self, *lines: str) -> list[str]:
        """Send lines; return only the commands and numerics of the lines received."""
        received = self.send(*lines)
        return [(line.split(" ")[1:] if line[0] in ":@" else [line])[0] for line in received]


class RoomUnderTest:
    """A room at noon; its time changes only when a test sets `now`."""

    def __init__(self, **settings: Any) -> None:
        self.now = NOON
        self.verdict: Verdict | None = None  # of all password checks, in place of a comparison
        self.core = Room(RoomSettings("irc.test", **settings), NOON, "id")
        self.logged: list[str] = []
        self._clients: dict[Client, FakeClient] = {}
        self._ghosts: dict[Client, Ghost] = {}
        self.tokens = 0
        self.has_database = True
        self.database_fails = False
        self._database: sqlite3.Connection | None = None
        self._changes: list[Change] = []

    @property
    def state(self) -> RoomState:
        """The members and channels of the room."""
        return self.core.state

    def connect(
        self, host: str = "192.0.2.1", local_user: str = "", fingerprint: str = ""
    ) -> FakeClient:
        """A client that has not sent anything yet."""
        self.tokens += 1
        client = Client(host, local_user=local_user, resume_token=f"token{self.tokens}")
        client.fingerprint = fingerprint
        fake = self.adopt(client)
        self.apply(self.core.enter(client, self.now))
        return fake

    def adopt(self, client: Client) -> FakeClient:
        """The other end of a client that is in the room already."""
        fake = self._clients[client] = FakeClient(self, client)
        return fake

    def adopt_room(self, saved: object, before: RoomUnderTest) -> list[Client]:
        """Load a room that another one has saved; return its clients."""
        self.now, self.tokens = before.now, before.tokens
        loaded = load_room(saved, self.state.settings, self.now)
        self.core.replace(loaded.state)
        self._ghosts.update(self.state.ghosts)
        return loaded.state.clients()

    def join(
        self, nick: str, *caps: str, channel: str = "#room", account: str = "", **about: str
    ) -> FakeClient:
        """A registered client in a channel (if one is named), after all clients have read.

        With `account` it logs in first, with the password that all accounts of scenes have.
        """
        client = self.connect(**about)
        if account:
            client.send("CAP REQ :sasl", "AUTHENTICATE PLAIN")
            client.send(f"AUTHENTICATE {sasl_plain(account, 'sesame')}")
        if caps:
            client.send(f"CAP REQ :{' '.join(caps)}")
        client.send(f"NICK {nick}", f"USER {nick} 0 * :{nick} real", "CAP END")
        if channel:
            client.send(f"JOIN {channel}")
        for any_client in self._clients.values():
            any_client.read()
        return client

    def leave(self, client: FakeClient, reason: str) -> None:
        """End the connection of a client."""
        self.apply(self.core.leave(client.client, reason, self.now))

    def suspend(self, client: FakeClient, reason: str, unsent: bytes = b"") -> None:
        """Lose the connection of a client; its place may be kept."""
        if self.core.suspend(client.client, reason, self.now, unsent):
            self._ghosts[client.client] = self.state.ghosts[client.client]
            del self._clients[client.client]
        else:
            self.leave(client, reason)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and end what has expired."""
        self.now += seconds
        for lost in list(self.core.state.ghosts):
            self.apply(self.core.expire_ghost(lost, self.now))
        for member in list(self.core.state.absent):
            self.apply(self.core.expire_absent(member, self.now))
        self.apply(self.core.expire_bans(self.now))

    def apply(self, effects: Iterable[Effect]) -> None:
        """Apply effects to the clients, as the listener does."""
        for effect in effects:
            match effect:
                case Send(clients, data):
                    for client in clients:
                        self._write(client, data)
                case Broadcast():
                    self._broadcast(effect)
                case Close() | KeepLines() | GiveUp() | TakePlace():
                    self._apply_to_place(effect)
                case Verify(client):
                    verdict, work = self.verdict or _verdict(effect), effect.work
                    result = work.result if work is not None else ""
                    self.apply(self.core.verified(client, self.now, verdict, result))
                case _:
                    self._apply_rare(effect)

    def _apply_rare(self, effect: Effect) -> None:
        match effect:
            case Log(text):
                self.logged.append(text)
            case Store(change):
                self._changes.append(change)
            case Record(channel, entry):
                is_open = channel.access.is_open_at(position_of_entry(entry))
                self._changes.append(AddMessage.of(channel.folded, entry, is_open=is_open))
            case Ask(client, query):
                self.apply(self.core.answered(client, self._answer(query), self.now))

    def accounts_in_database(self) -> dict[str, RegisteredAccount]:
        """The accounts in the database, by their folded names."""
        accounts = self._answer(LoadAccounts())
        assert isinstance(accounts, tuple)
        return {fold(account.name): account for account in accounts}

    def register_accounts(self, *accounts: RegisteredAccount) -> None:
        """Put accounts into the database, from which the room then takes them."""
        self._changes += map(StoreAccount, accounts)
        self.state.accounts.load(accounts)

    def _answer(self, query: Query[Any]) -> object:
        """The result of a query to a database in memory, which the first query creates."""
        if self.has_database and self._database is None:
            self._database = sqlite3.connect(
                ":memory:",
                isolation_level=None,
                check_same_thread=False,  # garbage may be collected by a thread of a later test
            )
            weakref.finalize(self, self._database.close)
            migrate(self._database)
        if self._database is None or self.database_fails:
            return QueryFailedError("there is no database")
        write_changes(self._database, self._changes)
        self._changes.clear()
        return answer(self._database, query)

    def _apply_to_place(self, effect: Close | KeepLines | GiveUp | TakePlace) -> None:
        match effect:
            case Close(client, reason):
                self._close(client, reason)
            case GiveUp(client, reason):
                given_up = self._clients[client]
                self.suspend(given_up, reason)
                given_up.closed = reason
            case KeepLines(lost, ghost):
                self._ghosts[lost] = ghost
            case TakePlace():
                self._take_place(effect)

    def _close(self, client: Client, reason: str) -> None:
        if self._ghosts.pop(client, None) is None:
            self._clients[client].closed = reason

    def _write(self, client: Client, data: bytes) -> None:
        if client in self._ghosts:
            self._ghosts[client].write(data)
        else:
            self._clients[client].received += data

    def _take_place(self, effect: TakePlace) -> None:
        del self._ghosts[effect.lost]
        while (lines := effect.ghost.next_missed(effect.client)) is not None:
            self._clients[effect.client].received += lines

    def _broadcast(self, effect: Broadcast) -> None:
        for tag_caps, clients in effect.audience.items():
            for client in clients:
                if client is not effect.skip:
                    self._write(client, effect.message.bytes_for(tag_caps))


def _verdict(effect: Verify) -> Verdict:
    if effect.work is not None:
        return Verdict.RIGHT if effect.work.do(effect.stored) else Verdict.WRONG
    return Verdict.RIGHT if matches(effect.password, effect.stored) else Verdict.WRONG


def find_line(lines: list[str], text: str) -> str:
    """The only line with this text."""
    found = [line for line in lines if text in line]
    assert len(found) == 1, lines
    return found[0]


def at(second: int) -> str:
    """A timestamp in the first minute after noon, as CHATHISTORY and MARKREAD take it."""
    return f"timestamp=2023-11-15T12:00:{second:02d}.000Z"


def sasl_plain(name: str, password: str) -> str:
    """The data of SASL PLAIN (RFC 4616)."""
    return base64.b64encode(f"\0{name}\0{password}".encode()).decode()

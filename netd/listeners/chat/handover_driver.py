"""Runs a room whose clients another process can continue to serve, or has served before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from netd.errors import StateError
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.client_state import PasswordCheck
from netd.listeners.chat.room.effect import Verify
from netd.listeners.chat.room.encoded_message import MessageIds
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.saved_member import number_members, place_of
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.storage import QueryFailedError
from netd.listeners.chat.room_driver import RoomDriver, new_identity
from netd.listeners.chat.saved_chat import SavedChat
from netd.listeners.chat.saved_session import SavedCheck, SavedSession, save_session
from netd.listeners.chat.session import Session
from netd.listeners.chat.snapshots import OnSnapshot, Snapshots
from netd.listeners.kind import Daemon, ReloadResult
from netd.protocols.password import Verdict
from netd.runtime.loop import Loop

_NO_ANSWER: Final = QueryFailedError("another process continues this listener")
_RELOADED: Final = ReloadResult(ok=True, detail="another process continues this listener")


class HandoverDriver(RoomDriver):
    """A room driver that saves its room, and continues a saved one."""

    def __init__(
        self,
        loop: Loop,
        options: ChatOptions,
        settings: RoomSettings,
        daemon: Daemon,
        on_closed: Callable[[Session], object],
    ) -> None:
        super().__init__(loop, options, settings, daemon, on_closed)
        self._loop = loop
        self._snapshots = Snapshots(loop)
        self._has_loaded = False
        self._missed_after: int | None = None  # the last position of the snapshot that was loaded
        loop.defer(self._open_store)  # not yet, as another process may still write to the file

    def is_busy(self) -> bool:
        """Whether a password check, or a reply to a client that reads, is not complete."""
        return any(
            session.client.password_check is not None or session.is_being_sent
            for session in self._sessions.values()
        )

    def suspend_secure(self, reason: str) -> None:
        """Close the connections under TLS, which no other process can continue."""
        for session in list(self._sessions.values()):
            if session.movable_stream is None:
                self.suspend_session(session, reason)

    def try_close_store(self) -> bool:
        """Begin to close the file of the channels; return whether it is closed."""
        return self._store.try_close()

    def reopen_store(self) -> None:
        """Write to the file of the channels again."""
        self._store.open()

    def save(self) -> tuple[dict[str, Any], list[int]]:
        """Everything as plain data, and the descriptors of the clients.

        Completes what waits in the backlog: chores and long replies.
        """
        self._chores.complete()
        for session in list(self._sessions.values()):
            while session.client.is_replying and session.closing_since is None:
                self._resume_without_answer(session)
        self._fanout.flush()
        rows, descriptors = self._save_sessions()
        saved = {
            "room": self._room.save(),
            "sessions": [row for row in rows if not (row["client"] or row["websocket"])],
            "further_sessions": [row for row in rows if row["client"] and not row["websocket"]],
            "web_sessions": [row for row in rows if row["websocket"]],
            "verifier": self._verifier.save(),
            "unwritten": self._store.save_unwritten(),
        }
        return saved, descriptors

    def _resume_without_answer(self, session: Session) -> None:
        if session.client.is_asking:
            self._apply(self._room.answered(session.client, _NO_ANSWER, time.time()))
        else:
            self.resume(session)

    def _save_sessions(self) -> tuple[list[dict[str, Any]], list[int]]:
        numbers = number_members(self._room.state)
        rows: list[dict[str, Any]] = []
        descriptors: list[int] = []
        for client, session in self._sessions.items():
            stream = session.movable_stream
            if stream is not None and stream.is_open:
                is_present = client in client.member.clients
                row = save_session(
                    session,
                    member=numbers.get(client.member) if is_present else None,
                    place=place_of(client) if is_present else 0,
                    descriptor=len(descriptors),
                    check=self._checks.get(client),
                    awaits_reload=client in self._reloading,
                )
                rows.append(row)
                descriptors.append(stream.sock.fileno())
        return rows, descriptors

    def snapshot(self, on_snapshot: OnSnapshot) -> None:
        """See `SnapshotService`."""
        self._snapshots.begin(self._room.state, on_snapshot)

    def load(self, saved: SavedChat) -> None:
        """Replace the room by a saved one, whose clients are not connected yet.

        Raises StateError for the clients of a second worker.
        """
        if self._has_loaded:
            raise StateError("the workers' clients cannot be in one room: set workers = 1 before")
        self._has_loaded = True
        self._room.replace(saved.room)
        self._missed_after = None
        if saved.is_snapshot:
            self._missed_after = saved.room.ids.position
            saved.room.ids = MessageIds(new_identity())
            saved.room.ids.advance_beyond(self._missed_after)
        if saved.verifier is not None:
            self._verifier.load(saved.verifier)
        self._store.load_unwritten(saved.unwritten)

    def adopt(self, session: Session) -> None:
        """Add the session of a client that is in the room already, or has left it."""
        self._sessions[session.client] = session
        self._fanout.attach(session.client, *session.outlet)

    def begin(self, saved: SavedChat, settings: RoomSettings, reason: str) -> None:
        """Serve the clients of a saved room, after `adopt` of those that are connected."""
        self._store.open(missed_after=self._missed_after)
        if saved.engine is not None and self._room.state.entrants is None:
            self._leave_cluster(saved, reason)
        connected = {session.client for session in saved.sessions if self._has(session)}
        self.suspend(saved.lost(connected), reason)
        self.set_settings(settings)
        self._continue_requests(saved)

    def _has(self, saved: SavedSession) -> bool:
        """Whether the client of a saved session is connected."""
        return saved.client in self._sessions

    def _continue_requests(self, saved: SavedChat) -> None:
        """Continue what connected clients have requested, and was not complete."""
        for session in filter(self._has, saved.sessions):
            if session.client.password_check is not None:
                self._repeat_check(session.client, session.client.password_check, session.check)
            if session.awaits_reload:
                self._on_reloaded(session.client, _RELOADED)

    def _leave_cluster(self, saved: SavedChat, reason: str) -> None:
        """Remove the clients of other hosts: this chat is on one host from now on."""
        if saved.place is not None and saved.engine is not None:
            from netd.listeners.chat.cluster.departure import leave_room  # noqa: PLC0415 (if needed)

            leave_room(self._loop, saved.place, saved.node, saved.engine)
        for client in self._room.state.clients():
            if client.is_remote:
                self._apply(self._room.leave(client, reason, time.time()))
            client.key, client.is_waiting = "", False

    def _repeat_check(self, client: Client, check: PasswordCheck, saved: SavedCheck | None) -> None:
        if saved is None:
            self._on_verified(client, Verdict.UNCHECKED)
        else:
            self._verify(Verify(client, check, saved.password, saved.stored))

    def _open_store(self) -> None:
        if not self._has_loaded:
            self._store.open(restore=True)

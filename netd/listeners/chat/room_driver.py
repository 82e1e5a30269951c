"""Runs the room: passes the clients' lines and the time to it, and carries out its effects."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from netd.listeners.chat.account_edits import AccountEdits
from netd.listeners.chat.backlog import Backlog, Chores
from netd.listeners.chat.channel_store import ChannelStore
from netd.listeners.chat.fanout import Fanout
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.effect import (
    Ask,
    Broadcast,
    Close,
    Effect,
    GiveUp,
    KeepLines,
    Log,
    Record,
    Rehash,
    SaveChannel,
    Send,
    Store,
    TakePlace,
    Verify,
)
from netd.listeners.chat.room.ghost import Ghost
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.memory import CLIENT_BYTES
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.room_figures import buffers_of, gauges_of, memory_of, shared_of, totals_of
from netd.listeners.chat.session import Session
from netd.listeners.chat.session_owner import DisconnectReason
from netd.listeners.counters import Counters
from netd.listeners.kind import Daemon, ReloadResult
from netd.listeners.logins.password_verifier import Login, PasswordVerifier
from netd.protocols.lines import Line
from netd.protocols.password import Verdict
from netd.protocols.websocket import CloseCode
from netd.runtime.loop import Loop

_log = logging.getLogger("netd")

OutsideEffect = Verify | Ask | Record | SaveChannel | Store | Rehash | Log
RareEffect = Close | KeepLines | GiveUp | TakePlace | OutsideEffect


class RoomDriver:
    """The room and the sessions of its clients; it owns the sessions (`SessionOwner`)."""

    def __init__(
        self,
        loop: Loop,
        options: ChatOptions,
        settings: RoomSettings,
        daemon: Daemon,
        on_closed: Callable[[Session], object],
    ) -> None:
        """Make a room. `on_closed(session)` is called when a session has left the room."""
        self._room = self._make_room(options, settings)
        self._store = ChannelStore(loop, options, self._room)
        self._account_edits = AccountEdits(self._store, self._room, self._apply)
        self._daemon = daemon
        self._notify_closed = on_closed
        self._verifier = PasswordVerifier(loop, options)
        if options.has_passwords:
            self._verifier.prepare()
        self._fanout = Fanout(loop)
        self._backlog = Backlog(loop)
        self._chores = Chores(loop)
        self._is_checking = False
        self.may_bypass = self._backlog.may_bypass
        self.note_bypass = self._backlog.note_bypass
        self.serve_later = self._backlog.add
        self._sessions: dict[Client, Session] = {}
        self._checks: dict[Client, Verify] = {}  # the password checks under way
        self._reloading: dict[Client, None] = {}  # those that await the outcome of a REHASH
        self._lost_sessions: set[Session] = set()  # whose clients are lost
        self._disconnected: Counter[DisconnectReason] = Counter()
        self._bytes_in = self._bytes_out = 0
        self.lines = 0
        """How many lines the clients have sent."""

    def _make_room(self, options: ChatOptions, settings: RoomSettings) -> Room:  # noqa: ARG002 (a clustered room needs them)
        return Room(settings, time.time(), new_identity())

    @property
    def state(self) -> RoomState:
        """The state of the room; another process's replaces it."""
        return self._room.state

    def reconfigure(self, options: ChatOptions, settings: RoomSettings) -> None:
        """Apply new options to the room and to all sessions."""
        self._verifier.reconfigure(options)
        if options.has_passwords:
            self._verifier.prepare()
        self.set_settings(settings)
        self._store.reconfigure(options)
        for session in list(self._sessions.values()):
            session.reconfigure(options)

    def set_settings(self, settings: RoomSettings) -> None:
        """Replace the room's settings; clients are informed of new capabilities."""
        self._apply(self._room.configure(settings, time.time()))

    def enter(self, session: Session) -> None:
        """Add a new session."""
        self._sessions[session.client] = session
        self._fanout.attach(session.client, *session.outlet)
        self._apply(self._room.enter(session.client, time.time()))

    def receive(self, session: Session, line: Line) -> None:
        self.lines += 1
        self._apply(self._room.receive(session.client, line, time.time()))

    def resume(self, session: Session) -> None:
        self._apply(self._room.resume(session.client, time.time()))

    def on_input(self, session: Session) -> None:
        if session.client.state is ClientState.REGISTERING:
            self._backlog.add_newcomer(session)
        else:
            self._backlog.add_fresh(session, is_quick=session.has_quick_line)

    def wake(self, session: Session) -> None:
        self._backlog.add(session)

    def leave(self, session: Session, reason: str) -> None:
        if session.closing_since is None:
            self._apply(self._room.leave(session.client, reason, time.time()))
            session.finish(reason)

    def disconnect(self, session: Session, reason: DisconnectReason) -> None:
        if session.closing_since is None:
            self._disconnected[reason] += 1
            self._fanout.send((session.client,), _error(reason.text))
            session.set_close_code(CloseCode.POLICY_VIOLATION)
            self.leave(session, reason.text)

    def suspend(self, lost: Mapping[Client, bytes], reason: str) -> None:
        """Keep the places of clients that have no connection here, or remove them from the room.

        Each one has the lines that it has not got. All clients with a connection have a session.
        """
        now = time.time()
        ghosts, nowhere = self._room.state.ghosts, Ghost(now, reason, limit=0)
        for client, unsent in lost.items():
            if self._room.suspend(client, reason, now, unsent):
                self._fanout.attach(client, ghosts[client])
            else:
                self._fanout.attach(client, nowhere)
                self._do_later(partial(self._remove_lost, client, reason))

    def _remove_lost(self, client: Client, reason: str) -> None:
        if client.state is not ClientState.GONE:  # as after a KILL
            self._apply(self._room.leave(client, reason, time.time()))
            self._fanout.detach(client)

    def suspend_session(self, session: Session, reason: str) -> None:
        """Close a connection that cannot be kept, but keep the place of its client."""
        if session.closing_since is not None:
            return
        if session.client.is_registered:
            self._fanout.flush()
            self._fanout.detach(session.client)
            del self._sessions[session.client]
            self._lost_sessions.add(session)
            self.suspend({session.client: b""}, reason)
            session.stream.write(_error(reason))
            session.finish(reason)
        else:
            self.leave(session, reason)

    def on_closed(self, session: Session, reason: str) -> None:
        self._bytes_in += session.stream.bytes_in
        self._bytes_out += session.stream.bytes_out
        if session in self._lost_sessions:
            self._lost_sessions.discard(session)
            self._notify_closed(session)
            return
        if session.closing_since is None and session.stream.has_overflowed:
            self._disconnected[DisconnectReason.SEND_QUEUE_EXCEEDED] += 1
            reason = DisconnectReason.SEND_QUEUE_EXCEEDED.text
        if session.client.is_registered:
            self._do_later(partial(self._remove, session, reason))  # many can be lost at once
        else:
            self._remove(session, reason)
        self._notify_closed(session)

    def check_time_limits(self) -> None:
        """Send PINGs to silent clients, and end the sessions that have passed a time limit."""
        if not self._is_checking:
            self._is_checking = True
            self._chores.add(self._check_time_limits())
            self._backlog.add(self._chores)
        for expire in (self._room.expire_channels, self._room.expire_bans):
            self._apply(expire(time.time()))
        self._store.check()
        if self._daemon.worker_number == 0:  # each change is carried out once
            self._account_edits.check()

    def _do_later(self, call: Callable[[], object]) -> None:
        self._chores.add_call(call)
        self._backlog.add(self._chores)

    def _remove(self, session: Session, reason: str) -> None:
        """Remove the client of a closed connection from the room."""
        self._fanout.detach(session.client)
        del self._sessions[session.client]
        self._apply(self._room.leave(session.client, reason, time.time()))

    def _check_time_limits(self) -> Iterator[None]:
        """Check one session or ghost after the other, and then their memory."""
        server_name = self._room.state.settings.server_name
        for session in [*self._sessions.values(), *self._lost_sessions]:
            session.check_time_limits(server_name)
            yield
        for lost in list(self._room.state.ghosts):
            self._apply(self._room.expire_ghost(lost, time.time()))
            yield
        for member in list(self._room.state.absent):
            self._apply(self._room.expire_absent(member, time.time()))
            yield
        yield from self._store.check_members()
        yield from self._bound_memory()
        self._is_checking = False

    def _bound_memory(self) -> Iterator[None]:
        """Update the memory of the connections; above the limit, end those with long queues.

        The clients without a connection leave first. Each end is a step: all members are shown it.
        """
        memory, ghosts = self._room.state.memory, self._room.state.ghosts
        memory.buffers = buffers_of(self._room.state, self._sessions.values())
        self._room.state.shorten_histories()
        for lost, ghost in sorted(
            ghosts.items(), key=lambda pair: pair[1].kept_bytes, reverse=True
        ):
            if memory.is_full and lost in ghosts:
                memory.buffers -= CLIENT_BYTES + ghost.kept_bytes
                reason = DisconnectReason.MEMORY_EXCEEDED.text
                self._apply(self._room.end_ghost(lost, reason, time.time()))
                yield
        sessions = sorted(self._sessions.values(), key=memory_of) if memory.is_full else []
        while sessions and memory.is_full:
            session = sessions.pop()
            memory.buffers -= memory_of(session)
            self.disconnect(session, DisconnectReason.MEMORY_EXCEEDED)
            session.close()
            yield

    def shut_down(self, reason: str) -> None:
        """Send all clients the reason, and finish their sessions."""
        self._store.finish_members()
        for session in self._sessions.values():
            session.set_close_code(CloseCode.GOING_AWAY)
        self._apply(self._room.shut_down(reason, time.time()))

    def close(self, on_closed: Callable[[], object]) -> None:
        """Complete the writes of the channels, and call back."""
        self._store.close()
        on_closed()

    def degraded(self) -> str:
        """Why the channels are not stored at present; empty if they are."""
        return self._store.failure

    def counters(self) -> Counters:
        """The figures of the room and of all sessions, past and present."""
        sessions = [*self._sessions.values(), *self._lost_sessions]
        streams = [session.stream for session in sessions]
        totals = {
            "bytes_in": self._bytes_in + sum(stream.bytes_in for stream in streams),
            "bytes_out": self._bytes_out + sum(stream.bytes_out for stream in streams),
            "history_lost": self._store.lost,
            "history_failed": self._store.failed_queries,
            "lines": self.lines,
            **totals_of(self._room.state),
            **{reason.counter: self._disconnected[reason] for reason in DisconnectReason},
        }
        state = self._room.state
        own = Counters(totals, gauges_of(state), shared=shared_of(state))
        return own + self._verifier.counters()

    def _apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Broadcast):
                self._fanout.add(effect)
            elif isinstance(effect, Send):
                self._fanout.send(effect.clients, effect.data)
            else:
                self._apply_rare(effect)

    def _apply_rare(self, effect: RareEffect) -> None:
        match effect:
            case Close(client, reason):
                self._fanout.flush()
                if client in self._sessions:
                    self._sessions[client].finish(reason)
                else:
                    self._fanout.detach(client)  # a lost one
            case KeepLines(lost, ghost):
                self._fanout.attach(lost, ghost)
            case GiveUp(client, reason):
                if client in self._sessions:
                    self.suspend_session(self._sessions[client], reason)
            case TakePlace():
                self._take_place(effect)
            case _:
                self._apply_outside(effect)

    def _apply_outside(self, effect: OutsideEffect) -> None:
        match effect:
            case Verify():
                self._verify(effect)
            case Ask(client, query):
                self._store.ask(query, partial(self._on_answer, client))
            case Record() | SaveChannel() | Store():
                self._store.save(effect)
            case Log(text):
                _log.info("chat: %s", text)
            case Rehash(client):
                _log.info("chat: operator %s requested a reload", client.member.oper)
                self._reloading[client] = None
                self._daemon.request_reload(partial(self._on_reloaded, client))

    def _verify(self, effect: Verify) -> None:
        client, check = effect.client, effect.check
        session = self._sessions.get(client)
        if session is None:  # an effect before this one has closed the connection
            return
        login = Login(
            session.host,
            check.name,
            check.purpose.value,
            effect.password,
            effect.stored,
            local_user=client.local_user,
            work=effect.work,
        )
        self._checks[client] = effect
        self._verifier.verify(login, partial(self._on_verified, client))

    def _take_place(self, effect: TakePlace) -> None:
        """Send a client the lines that the lost one missed, whose place it has taken."""
        client, ghost = effect.client, effect.ghost
        self._fanout.detach(effect.lost)  # after the lines of this turn
        while (lines := ghost.next_missed(client)) is not None:
            self._sessions[client].stream.write(lines)

    def _on_verified(self, client: Client, verdict: Verdict) -> None:
        self._do_later(partial(self._take_verdict, client, verdict))  # many can share one check

    def _take_verdict(self, client: Client, verdict: Verdict) -> None:
        effect = self._checks.pop(client, None)
        result = effect.work.result if effect is not None and effect.work is not None else ""
        self._continue(client, self._room.verified(client, time.time(), verdict, result))

    def _on_answer(self, client: Client, result: object) -> None:
        self._do_later(
            lambda: self._continue(client, self._room.answered(client, result, time.time()))
        )

    def _continue(self, client: Client, effects: Iterable[Effect]) -> None:
        """Carry out the effects of what a client has waited for, and serve its session."""
        self._apply(effects)
        session = self._sessions.get(client)
        if session is not None and session.closing_since is None:
            session.wake()

    def _on_reloaded(self, client: Client, result: ReloadResult) -> None:
        """Send an operator the outcome of the REHASH."""
        self._reloading.pop(client, None)
        if client in self._sessions:
            self._apply(self._room.send_notices(client, _outcome(result), time.time()))


def new_identity() -> str:
    """The prefix of the ids of a new room's messages."""
    return f"{time.time_ns():x}-"


def _error(reason: str) -> bytes:
    return f"ERROR :Closing link: ({reason})\r\n".encode()


def _outcome(result: ReloadResult) -> list[str]:
    """The lines of a notice."""
    first, *others = result.detail.splitlines() or [""]
    return [f"{'reloaded' if result.ok else 'reload refused, nothing changed'}: {first}", *others]

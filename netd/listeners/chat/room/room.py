"""The room: an IRC server as a function of lines and time, with effects as its result.

Pure. `now` is the caller's clock, in seconds since the epoch. The commands are in `commands/`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any, Final, cast

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.account_changes import StoreAccount
from netd.listeners.chat.room.account_edits import AccountEdit
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.channel import Topic
from netd.listeners.chat.room.client_state import CheckOutcome, ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import (
    ON_VERIFIED,
    capability,
    registration,
    resume,
    server_ban,
)
from netd.listeners.chat.room.commands.account_edit import carry_out
from netd.listeners.chat.room.commands.base import Steps
from netd.listeners.chat.room.dispatch import dispatch, parse_line, take_tags
from netd.listeners.chat.room.effect import Ask, Effect, Log, SaveChannel, Store
from netd.listeners.chat.room.fast_path import FastPath
from netd.listeners.chat.room.level import LEVEL
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.saved_room import save_room
from netd.listeners.chat.room.server_ban import SetServerBan
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.listeners.chat.room.storage import Query, QueryFailedError
from netd.protocols.irc import fold
from netd.protocols.lines import Line
from netd.protocols.password import Verdict

SLICE_WORK: Final = 400
"""The work after which a long reply pauses, in units of about one microsecond."""

_FIRST_SHARE: Final = 1 / 8
"""The first slice of a reply is a part of one: all clients with new input have it first."""


class Room:
    """One IRC server. `identity` makes its message ids differ from those of any earlier room."""

    def __init__(self, settings: RoomSettings, now: float, identity: str) -> None:
        self.state = RoomState(settings, now, identity)
        self.fast_path = FastPath(self.state)
        self._pending: dict[Client, _PendingReply] = {}
        self._slice_work: float = SLICE_WORK
        self.configure(settings, now)

    def configure(self, settings: RoomSettings, now: float) -> list[Effect]:
        """Apply new settings. All clients stay; changed capabilities are announced (cap-notify)."""
        notified = [
            CommandContext(self.state, client, now)
            for client in self.state.clients()
            if client.has(Cap.CAP_NOTIFY)
        ]
        offered = [capability.offered(context) for context in notified]
        self.state.settings = settings
        self.state.accounts.configured = settings.accounts
        self.state.cloak_key = settings.cloak_key or self.state.cloak_key
        self.state.memory.limit = settings.limits.memory_bytes
        self.fast_path.clear()
        self.fast_path.stores_messages = settings.stores_messages
        self._configure_channels(settings, now)
        for history in self.state.private_histories.values():
            history.set_lines(settings.limits.history_lines)
        for context, before in zip(notified, offered, strict=True):
            capability.announce_changes(context, before)
        announced = [effect for context in notified for effect in context.effects]
        return [*announced, *self.reserve_names()]

    def edit_accounts(self, edits: Iterable[AccountEdit], now: float) -> list[Effect]:
        """Carry out what an administrator has changed in the database."""
        self.fast_path.clear()
        context = CommandContext(self.state, Client.absent(Member("")), now)
        for edit in edits:
            carry_out(context, edit)
        return context.take_effects()

    def reserve_names(self) -> list[Store]:
        """Reserve the names of configured accounts, where users can register others.

        Without an account of the configuration, its name is still not that of another user.
        """
        accounts = self.state.accounts
        is_alone = self.state.entrants is None
        if self.state.settings.registration is None or not accounts.is_open or not is_alone:
            return []
        names = accounts.unreserved()
        for account in names:
            accounts.put(account)
        return [Store(StoreAccount(account)) for account in names]

    def _configure_channels(self, settings: RoomSettings, now: float) -> None:
        for channel in list(self.state.channels.values()):
            channel.may_have_changed = True
            channel.is_persistent = channel.folded == fold(settings.channel)
            channel.history.set_lines(settings.limits.history_lines)
            self.state.drop_if_empty(channel)
        if settings.channel:
            is_new_room = not self.state.channels
            channel = self.state.open_channel(settings.channel, now)
            if is_new_room:  # it existed before the restart
                channel.access.begin = 0
            channel.is_persistent = True
            if settings.topic and channel.topic is None:
                channel.topic = Topic(settings.topic, settings.server_name, now)

    def save(self) -> dict[str, Any]:
        """The whole room as plain data; to be called when no long reply is pending."""
        assert all(client.state is ClientState.GONE for client in self._pending)
        return save_room(self.state)

    def replace(self, state: RoomState) -> None:
        """Take over the state that `load_room` has made; then `configure` is to be called."""
        state.level = LEVEL  # the saved one can be that of an earlier version
        self.state = state
        self.fast_path = FastPath(state)

    def enter(self, client: Client, now: float) -> list[Effect]:
        """Add a client that has connected; one with a banned address is refused.

        A client under TLS is refused when it registers: before its handshake it can read nothing.
        """
        member = client.member
        member.host = member.own_host = self.state.shown_host(client.address)
        self.state.unregistered[client] = None
        ban = self.state.server_bans.find_by_address(client.address, now)
        if ban is None or client.is_secure:
            return []
        context = CommandContext(self.state, client, now)
        server_ban.close_banned(context, ban)
        return context.take_effects()

    def receive(self, client: Client, line: Line, now: float) -> list[Effect]:
        """Handle a line from a client; not to be called while a password check is in progress."""
        if isinstance(line, bytes):
            effects = self.fast_path.receive(client, line, now)
            if effects is not None:
                return effects
        self.fast_path.clear()
        context = CommandContext(self.state, client, now)
        message = parse_line(context, line)
        if message is not None and client.state is not ClientState.GONE:
            take_tags(context, message.command, message.tags)
            reply = _PendingReply(context, dispatch(context, message))
            return self._advance(reply, _FIRST_SHARE)
        context.finish()
        return context.take_effects()

    def resume(self, client: Client, now: float) -> list[Effect]:
        """Continue the reply to a client's last line.

        To be called while `Client.is_replying` is true and `Client.is_asking` is not.
        """
        self.fast_path.clear()
        pending = self._pending.pop(client)
        pending.context.now = now
        client.member.may_have_changed = True
        return self._advance(pending)

    def answered(self, client: Client, result: object, now: float) -> list[Effect]:
        """Continue the reply that asked the database: with the result, or a QueryFailedError."""
        pending = self._pending.get(client)
        if pending is None or not client.is_asking:
            return []
        client.is_asking = False
        pending.result = result
        return self.resume(client, now)

    def verified(
        self, client: Client, now: float, verdict: Verdict, result: str = ""
    ) -> list[Effect]:
        """Continue after the password check that a Verify requested."""
        self.fast_path.clear()
        check, client.password_check = client.password_check, None
        if check is None or client.state is ClientState.GONE:
            return []
        context = CommandContext(self.state, client, now, check.label)
        steps = ON_VERIFIED[check.purpose](context, CheckOutcome(check, verdict, result))
        return self._advance(_PendingReply(context, steps))

    def complete(self, client: Client, now: float) -> list[Effect]:
        """Complete the registration of a client that has waited until the room was known."""
        self.fast_path.clear()
        client.is_waiting = False
        if client.state is ClientState.GONE:
            return []
        context = CommandContext(self.state, client, now)
        return self._advance(_PendingReply(context, registration.complete(context)))

    def admit(self, client: Client, now: float) -> list[Effect]:
        """Let a client in that was an entrant, and is in the log now."""
        self.fast_path.clear()
        client.is_waiting = False
        context = CommandContext(self.state, client, now)
        return self._advance(_PendingReply(context, registration.admit(context)))

    def leave(self, client: Client, reason: str, now: float) -> list[Effect]:
        """Remove a client whose connection is closed, or is about to be."""
        self.fast_path.clear()
        context = CommandContext(self.state, client, now)
        self._pending.pop(client, None)
        client.is_replying = client.is_asking = False
        presence.remove_client(context, client, reason)
        return context.take_effects()

    def suspend(self, client: Client, reason: str, now: float, unsent: bytes = b"") -> bool:
        """Keep the place of a client whose connection is lost for some time, with its lines.

        `unsent` are whole lines that it has not got. Returns False if it has to leave the room:
        no other one could prove to be the same, or it is not registered.
        """
        self.fast_path.clear()
        self._pending.pop(client, None)
        context = CommandContext(self.state, client, now)
        return resume.suspend(context, reason, unsent)

    def end_ghost(self, client: Client, reason: str, now: float) -> list[Effect]:
        """Remove a client that has lost its connection."""
        self.fast_path.clear()
        context = CommandContext(self.state, client, now)
        ghost = self.state.ghosts.get(client)
        presence.remove_client(context, client, reason)
        context.close(client, reason)
        if ghost is None or not ghost.is_arrival:
            self.state.not_returned += 1
        return context.take_effects()

    def expire_ghost(self, client: Client, now: float) -> list[Effect]:
        """Remove a lost client if none has taken its place in time, or it has too many lines."""
        ghost = self.state.ghosts.get(client)
        if ghost is None:
            return []
        if ghost.has_overflowed:
            return self.end_ghost(client, "output queue exceeded", now)
        if ghost.claimant is None and ghost.until <= now:
            return self.end_ghost(client, ghost.reason, now)
        return []

    def expire_channels(self, now: float) -> list[Effect]:
        """Remove the restored channels whose members have not come back in time."""
        expired = [channel for channel in self.state.restored if channel.kept_until <= now]
        for channel in expired:
            self.state.restored.discard(channel)
            channel.kept_until = 0.0
            channel.may_have_changed = True
            self.state.drop_if_empty(channel)
        return [SaveChannel(channel) for channel in expired]

    def expire_absent(self, member: Member, now: float) -> list[Effect]:
        """Remove a member that has been without a client for too long, or is not always on."""
        state = self.state
        since, longest_s = member.absent_since, state.settings.absence_s
        if member not in state.absent or (state.is_always_on(member) and now - since < longest_s):
            return []
        self.fast_path.clear()
        context = CommandContext(state, Client.absent(member), now)
        presence.remove_member(context, member, presence.ABSENT)
        return context.take_effects()

    def expire_bans(self, now: float) -> list[Effect]:
        """Remove the server bans whose time is over."""
        effects: list[Effect] = []
        for ban in self.state.server_bans.expire(now):
            effects += [Log(f"the ban of {ban.mask} has ended"), Store(SetServerBan.removing(ban))]
        return effects

    def send_notices(self, client: Client, lines: Iterable[str], now: float) -> list[Effect]:
        """Send a client notices from the server."""
        context = CommandContext(self.state, client, now)
        for line in lines:
            context.reply_command("NOTICE", client.member.shown_nick, line)
        return context.effects

    def shut_down(self, reason: str, now: float) -> list[Effect]:
        """Send all clients the reason, and close their connections."""
        self.fast_path.clear()
        effects: list[Effect] = []
        for client in self.state.clients():
            context = CommandContext(self.state, client, now)
            context.close(client, reason)
            client.state = ClientState.GONE
            client.member.is_registered = False
            client.member.clients = ()
            effects += context.effects
        self.state.members.clear()
        self.state.unregistered.clear()
        self.state.ghosts.clear()
        self.state.absent.clear()
        return effects

    def _advance(self, pending: _PendingReply, share: float = 1) -> list[Effect]:
        """Do a slice of a reply's work, or a share of one, and keep the rest as pending."""
        context, client = pending.context, pending.context.client
        client.is_replying = False
        for query in pending.steps():
            if client.state is ClientState.GONE:
                return context.take_effects()
            if query is not None:
                client.is_asking = True
                context.effects.append(Ask(client, query))
            if query is not None or context.work >= share * self._slice_work:
                self._pending[client] = pending
                client.is_replying = True
                return context.take_effects()
        if client.password_check is None:
            context.finish()
        return context.take_effects()


class _PendingReply:
    """A reply that is not complete: its context, and the steps that are left."""

    def __init__(self, context: CommandContext, steps: Steps | None) -> None:
        self.context = context
        self._steps = cast("Generator[Query[Any] | None, object, None] | None", steps)
        self.result: object = None
        """The database's answer to the last step."""

    def steps(self) -> Iterator[Query[Any] | None]:
        """Do the steps that are left, one after the other."""
        while self._steps is not None:
            result, self.result = self.result, None
            try:
                if isinstance(result, QueryFailedError):
                    yield self._steps.throw(result)
                else:
                    yield self._steps.send(result)
            except StopIteration:
                return

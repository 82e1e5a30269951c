"""One client of one server, over any number of connections, without I/O.

Messages of the server and lines of the user go in, effects come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from netd.client.core import (
    missed_messages,
    multiline,
    nick_regain,
    read_marks,
    server_messages,
    slash_commands,
)
from netd.client.core.chat_events import (
    ChatEvent,
    ChatMessage,
    Effect,
    Leave,
    Notice,
    Refused,
    ScreenRequest,
    SendLine,
    send,
)
from netd.client.core.client_state import ClientState, Identity
from netd.client.core.commands.base import say_to
from netd.client.core.commands.windows import ask_earlier
from netd.client.core.handshake import Handshake
from netd.client.core.outgoing import OutgoingMessage
from netd.client.core.sasl import External, Mechanism, Plain, Scram
from netd.protocols.irc import Message

_NEXT_START: Final = "your new password is valid; for the next start, put it into password_file"
Observe = Callable[[ChatEvent], None]


class IrcClient:
    """Call `connected`, then `receive` for every message until `disconnected`, then again.

    Effects are returned. `observe` is called with each event of them at once, while the state is
    still that of the event: the next message may rename a user, or close a conversation.
    """

    def __init__(self, identity: Identity, observe: Observe | None = None) -> None:
        self.state = ClientState(identity)
        self._observe = observe
        self._handshake = self._new_handshake("")

    def connected(self, nonce: str = "") -> list[Effect]:
        """Start a new connection; return its first lines.

        `nonce` is a random text of this connection, without a comma: SCRAM needs it.
        """
        self.state.closing_reason = ""
        self._handshake = self._new_handshake(nonce)
        return self._handshake.start()

    def disconnected(self) -> None:
        """Reset the state of the connection; unconfirmed messages are kept."""
        state = self.state
        state.is_registered = False
        state.roster.clear()
        state.history_batches.clear()
        state.multiline_batches.clear()
        state.labeled_batches.clear()
        state.unread_targets.clear()
        state.who_requested.clear()
        state.is_regaining = state.is_away = False
        state.catching_up.clear()
        state.is_resuming = False
        state.outbox.requeue()

    def receive(self, message: Message) -> list[Effect]:
        """Process a message of the server."""
        if self.state.is_registered or message.command == "PING":
            return self.observed(server_messages.receive(self.state, message))
        effects = self._handshake.receive(message)
        if message.command == "001":
            effects += self._welcomed()
        return self.observed(effects)

    def type(self, line: str) -> list[Effect]:
        """Process a line typed by the user: text or a slash command."""
        return self.observed(slash_commands.interpret(self.state, line))

    def say(self, text: str) -> list[Effect]:
        """Send text to the current channel, even if it begins with a slash."""
        return self.observed(self.state.queue_text(self.state.current, text))

    def say_to(self, target: str, text: str) -> list[Effect]:
        """Send text to a channel or user, in several messages if it has several lines."""
        refused: list[Effect] = [Refused("you are in no channel")]
        return self.observed(say_to(self.state, target, text) if target else refused)

    def due(self, now: float) -> list[Effect]:
        """Return the messages to send now, with the PINGs that confirm them."""
        released = self.state.outbox.due(now, self.state.can_send)
        return self.observed([e for message in released for e in self._release(message)])

    def tick(self) -> list[Effect]:
        """Do what is due from time to time; call it about twice a minute."""
        return nick_regain.on_tick(self.state)

    def read(self) -> list[Effect]:
        """Mark the current conversation as read."""
        return read_marks.read_current(self.state)

    def ask_earlier(self) -> list[Effect]:
        """Request the messages before the oldest one of the current conversation, once."""
        state = self.state
        if not (state.is_registered and state.current):
            return []
        conversation = state.conversations.current
        is_asked = conversation.oldest == conversation.asked_before
        if "draft/chathistory" not in state.capabilities or is_asked:
            return []
        conversation.asked_before = conversation.oldest
        return ask_earlier(state, state.history_page)

    def abandon(self) -> list[Effect]:
        """Give up every message that the server has not confirmed: the client leaves."""
        return self.observed(self.state.outbox.abandon("the server has not confirmed it"))

    def observed(self, effects: list[Effect]) -> list[Effect]:
        """Pass the events to the observer; return all effects."""
        if self._observe is not None:
            for effect in effects:
                if not isinstance(effect, SendLine | Leave | ScreenRequest):
                    self._observe(effect)
        return effects

    def _release(self, message: OutgoingMessage) -> Iterable[Effect]:
        state = self.state
        has_labels = state.has_echo and "labeled-response" in state.capabilities
        yield from multiline.lines_of(message, has_labels=has_labels)
        if state.has_echo:
            return
        yield send("PING", message.ping_token)
        if message.times_sent == 1:
            yield ChatMessage(state.nick, message.target, message.text, message.kind, mine=True)

    def _new_handshake(self, nonce: str) -> Handshake:
        state, identity = self.state, self.state.identity
        perhaps_of_server = "" if identity.uses_scram else identity.password
        return Handshake(
            state.wanted_nick,
            self._mechanisms(nonce),
            server_password=identity.server_password or perhaps_of_server,
            may_rename=identity.may_rename,
            again=state.was_registered,
            resume_token=state.resume_token,
        )

    def _mechanisms(self, nonce: str) -> list[Mechanism]:
        """Return the ways to log in, in the order in which they are tried."""
        state, identity = self.state, self.state.identity
        logins = [login for login in (*state.new_logins, state.login) if login.password]
        if identity.uses_scram:
            return [Scram(login, nonce) for login in logins]
        if identity.has_certificate:
            return [External()]
        return [Plain(login) for login in logins]

    def _welcomed(self) -> list[Effect]:
        state = self.state
        state.is_registered = state.was_registered = True
        state.nick, state.capabilities = self._handshake.nick, self._handshake.capabilities
        if not self._handshake.was_taken:  # the server may know the user by another nick
            state.wanted_nick = state.nick
        state.capability_values = self._handshake.capability_values
        state.is_logged_in = self._handshake.is_logged_in
        state.next_resume_token = self._handshake.resume_token
        return [
            *self._settle_password(),
            *missed_messages.on_welcome(state, is_resumed=self._handshake.is_resumed),
            *state.give_up_unreachable(),
        ]

    def _settle_password(self) -> list[Effect]:
        """Keep the password that the server has accepted, of the one before and new ones."""
        state, login = self.state, self._handshake.login
        if login is None:
            return []
        is_new = login in state.new_logins
        state.login, state.new_logins = login, ()
        return [Notice(_NEXT_START)] if is_new and state.identity.password else []

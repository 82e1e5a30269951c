"""One conversation with one server, over as many connections as it takes; pure.

The server's messages and what a person types go in, effects come out. It ties together
registration, what comes in, what is typed, and the outbox.
"""

from __future__ import annotations

from collections.abc import Iterable

from netd.client import incoming, typed
from netd.client.event import Effect, Said, send
from netd.client.outbox import Outgoing
from netd.client.registration import Registration
from netd.client.state import Identity, State
from netd.protocols.irc import Message


class Session:
    """`connected`, then `receive` for each message until `disconnected`, and again."""

    def __init__(self, identity: Identity) -> None:
        self.state = State(identity)
        self._registration = self._new_registration()

    def connected(self) -> list[Effect]:
        """A connection stands: what to say first."""
        self._registration = self._new_registration()
        return self._registration.greet()

    def disconnected(self) -> None:
        """The connection is gone; what was not confirmed is kept."""
        state = self.state
        state.is_registered = False
        state.roster.clear()
        state.batches.clear()
        state.outbox.rewind()

    def receive(self, message: Message) -> list[Effect]:
        """Take in one message of the server's."""
        if self.state.is_registered or message.command == "PING":
            return incoming.receive(self.state, message)
        effects = self._registration.receive(message)
        return [*effects, *self._welcome()] if message.command == "001" else effects

    def type(self, line: str) -> list[Effect]:
        """Take in what a person typed."""
        return typed.interpret(self.state, line)

    def say(self, text: str) -> list[Effect]:
        """Take in text for the current channel, whatever it begins with."""
        return self.state.say(self.state.current, text)

    def due(self, now: float) -> list[Effect]:
        """The messages to send at this moment, each with what confirms it."""
        released = self.state.outbox.due(now, self.state.is_open)
        return [effect for each in released for effect in self._release(each)]

    def _release(self, outgoing: Outgoing) -> Iterable[Effect]:
        state = self.state
        yield send(outgoing.command, outgoing.target, outgoing.payload)
        if state.echoes:
            return
        yield send("PING", outgoing.ping)
        if outgoing.times_sent == 1:
            yield Said(state.nick, outgoing.target, outgoing.text, outgoing.manner, mine=True)

    def _new_registration(self) -> Registration:
        state, identity = self.state, self.state.identity
        return Registration(
            state.wanted_nick,
            identity.password,
            has_certificate=identity.has_certificate,
            may_rename=identity.may_rename,
            again=state.was_registered,
        )

    def _welcome(self) -> list[Effect]:
        state, registration = self.state, self._registration
        state.is_registered = state.was_registered = True
        state.nick, state.caps = registration.nick, registration.caps
        return [send("JOIN", *channel) for channel in state.wanted.values()]

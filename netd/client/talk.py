"""Keeps one conversation going: connects, carries effects out, comes back after a break.

The front ends (screen, plain terminal, pipe) hand it what is typed and are handed events.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Final

from netd.client.connection import CannotConnectError, Connection, LostError, connect
from netd.client.endpoint import Endpoint
from netd.client.event import Effect, Event, Leave, Lost, Refused, Registered, Send, send
from netd.client.registration import SASL_FAILURES
from netd.client.session import Session
from netd.client.setting import Settings, UsageError
from netd.errors import NetdError
from netd.protocols.irc import Message

_FIRST_DELAY_S: Final = 1.0
_LONGEST_DELAY_S: Final = 60.0
_MAX_DOUBLINGS: Final = 6  # the longest is reached; a night of attempts is no exponent
_SILENCE_S: Final = 60.0  # after this we ask whether the server is there; after twice, it is not
_FAREWELL_S: Final = 2.0  # how long each step of leaving may take

Show = Callable[[Sequence[Event]], None]


class NotAdmittedError(NetdError):
    """The server does not let us in; the text is its own."""


class Talk:
    """Runs until somebody leaves; `show` is called with the events of each moment."""

    def __init__(self, settings: Settings, session: Session, show: Show) -> None:
        self.endpoint: Endpoint | None = None
        """The server, once one answered."""
        self.idle = asyncio.Event()
        """Set while no message of ours is on its way."""
        self.has_room = asyncio.Event()
        """Set while the outbox takes more."""
        self._settings, self._session, self._show = settings, session, show
        self._tls = _tls_context(settings)
        self._connection: Connection | None = None
        self._was_admitted = self._has_quit = False
        self._leaving = asyncio.Event()
        self._reason = ""
        self._is_due = asyncio.Event()
        self._pump_timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0

    async def run(self) -> None:
        """Talk until `leave`.

        Raises CannotConnectError if no server answers at first, NotAdmittedError if it refuses.
        """
        talking = asyncio.create_task(self._keep_talking())
        leaving = asyncio.create_task(self._leaving.wait())
        pumping = asyncio.create_task(self._pump())
        tasks = (talking, leaving, pumping)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in (talking, pumping):
                if task.done():
                    return task.result()
            await self._farewell(talking)
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def leave(self, reason: str = "") -> None:
        """Say goodbye, and let `run` return."""
        self._reason = reason
        self._leaving.set()

    def type(self, line: str) -> None:
        """Take in a line a person typed."""
        self._carry_out(self._session.type(line))

    def say(self, text: str) -> None:
        """Take in text for the channel, whatever it begins with."""
        self._carry_out(self._session.say(text))

    async def _keep_talking(self) -> None:
        attempt = 0
        while True:
            began_at = time.monotonic()
            try:
                await self._converse()
            except (CannotConnectError, LostError, NotAdmittedError) as error:
                if not self._was_admitted:
                    raise
                if self._leaving.is_set():
                    return
                attempt = attempt if time.monotonic() - began_at < _LONGEST_DELAY_S else 0
                await self._pause(str(error), attempt)
                attempt += 1

    async def _pause(self, why: str, attempt: int) -> None:
        delay_s = backoff_s(attempt) * random.uniform(0.75, 1)  # noqa: S311 (spreads clients, hides nothing)
        self._show([Lost(f"{why}; trying again in {delay_s:.0f} s")])
        await asyncio.sleep(delay_s)

    async def _converse(self) -> None:
        timeout_s = self._settings.timeout_s
        self.endpoint, connection = await connect(self._settings.endpoints, self._tls, timeout_s)
        self._connection, self._heard_at = connection, time.monotonic()
        watch = asyncio.create_task(self._watch(connection))
        try:
            self._carry_out(self._session.connected())
            while True:
                messages = await connection.receive()
                self._heard_at = time.monotonic()
                if not self._has_quit:  # the server's farewell is no news
                    self._take_in(messages)
        finally:
            self._connection = None
            self._session.disconnected()
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await connection.close()

    def _take_in(self, messages: Sequence[Message]) -> None:
        effects = []
        for message in messages:
            was_registered = self._session.state.is_registered
            made = self._session.receive(message)
            refusals = [each for each in made if isinstance(each, Refused)]
            final = [each for each in refusals if each.code not in SASL_FAILURES]
            if final and not was_registered:
                raise NotAdmittedError(final[0].text)
            self._was_admitted |= any(isinstance(each, Registered) for each in made)
            effects += made
        self._carry_out(effects)

    async def _pump(self) -> None:
        """Send what had to wait its turn; a task, so that whatever fails ends the talk."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            self._carry_out(())

    async def _watch(self, connection: Connection) -> None:
        await asyncio.sleep(self._settings.timeout_s)
        if not self._session.state.is_registered:
            connection.abort(f"no welcome in {self._settings.timeout_s:g} s")
        while True:
            silent_s = time.monotonic() - self._heard_at
            if silent_s > 2 * _SILENCE_S:
                connection.abort("the server is silent")
            elif silent_s > _SILENCE_S:
                connection.send([Message("PING", ("still-there",))])
            await asyncio.sleep(_SILENCE_S / 2)

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        effects = [*effects, *self._session.due(time.monotonic())]
        lines = [each.message for each in effects if isinstance(each, Send)]
        if self._connection is not None and lines:
            self._connection.send(lines)
        for each in effects:
            if isinstance(each, Leave):
                self.leave(each.reason)
        self._note_outbox()
        events = [each for each in effects if not isinstance(each, Send | Leave)]
        if events:
            self._show(events)

    def _note_outbox(self) -> None:
        outbox = self._session.state.outbox
        (self.idle.clear if len(outbox) else self.idle.set)()
        (self.has_room.clear if outbox.is_full else self.has_room.set)()
        if self._pump_timer is not None:
            self._pump_timer.cancel()
        delay_s = outbox.delay_s() if self._session.state.is_registered else None
        if delay_s is not None:
            loop = asyncio.get_running_loop()
            self._pump_timer = loop.call_later(delay_s, self._is_due.set)

    async def _farewell(self, talking: asyncio.Task[None]) -> None:
        if self._connection is None:
            return
        idle = asyncio.create_task(self.idle.wait())
        await asyncio.wait({idle, talking}, timeout=_FAREWELL_S, return_when="FIRST_COMPLETED")
        idle.cancel()
        if self._connection is not None:
            quitting = send("QUIT", *([self._reason] if self._reason else []))
            self._connection.send([quitting.message])
            self._has_quit = True
            await asyncio.wait({talking}, timeout=_FAREWELL_S)


def backoff_s(attempt: int) -> float:
    """How long to wait after so many attempts in vain."""
    return min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(attempt, _MAX_DOUBLINGS))


def _tls_context(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{settings.ca_file}: {error}") from error
    try:
        if settings.certificate:
            context.load_cert_chain(settings.certificate)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{settings.certificate}: {error}") from error
    return context

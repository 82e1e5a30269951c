"""Keeps an IrcClient connected: connects, carries out effects, reconnects after a failure.

A front end (line editor, plain terminal, pipe) passes typed lines in and is called with events.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Sequence
from secrets import token_urlsafe
from typing import Final

from netd.client.client_settings import ClientSettings, UsageError
from netd.client.core.chat_events import (
    ChatEvent,
    Disconnected,
    Effect,
    Leave,
    Notice,
    Refused,
    Registered,
    ScreenRequest,
    SendLine,
    send,
)
from netd.client.core.endpoint import Endpoint
from netd.client.core.handshake import SASL_FAILURES
from netd.client.core.irc_client import IrcClient
from netd.client.server_connection import (
    ConnectionFailedError,
    ServerConnection,
    connect,
)
from netd.protocols.irc import Message

_FIRST_DELAY_S: Final = 0.25
_MAX_DELAY_S: Final = 60.0
_MAX_DOUBLINGS: Final = 8  # reaches the maximum; bounds the exponent
_SPREAD_S: Final = 0.2  # clients that lost the same server do not return in the same moment
_SHOWN_DELAY_S: Final = 1.0
_STABLE_S: Final = 5.0  # a connection that has lasted so long is missed at once again
_SILENCE_S: Final = 60.0  # send a PING after this time; give up after twice this time
_FAREWELL_S: Final = 2.0  # the limit for each of the two steps of leaving

Show = Callable[[Sequence[ChatEvent]], None]
OnRequest = Callable[[Leave | ScreenRequest], None]


class RegistrationRefusedError(ConnectionFailedError):
    """The server refuses the client; the text is the server's."""


class Connector:
    """Runs until `leave` is called; calls `show` with the events of each moment."""

    def __init__(
        self,
        settings: ClientSettings,
        client: IrcClient,
        show: Show,
        on_request: OnRequest | None = None,
    ) -> None:
        """`on_request` is called with the user's wish to leave and with requests to the screen."""
        self.endpoint: Endpoint | None = None
        """The address of the server; None before the first connection."""
        self.idle = asyncio.Event()
        """Set while the outbox is empty."""
        self.has_room = asyncio.Event()
        """Set while the outbox takes messages."""
        self._settings, self._client, self._show = settings, client, show
        self._on_request = on_request or self._leave_if_requested
        self._tls = _tls_context(settings)
        self._connection: ServerConnection | None = None
        self._was_registered = self._has_quit = False
        self._leaving = asyncio.Event()
        self._quit_reason = ""
        self._leaving_later: asyncio.Task[None] | None = None
        self._due = asyncio.Event()
        self._due_timer: asyncio.TimerHandle | None = None
        self._received_at = 0.0

    async def run(self) -> None:
        """Stay connected until `leave`, then report the messages that were not delivered.

        Raises CannotConnectError, ConnectionLostError or RegistrationRefusedError if the first
        registration fails.
        """
        connecting = asyncio.create_task(self._stay_connected())
        leaving = asyncio.create_task(self._leaving.wait())
        sending = asyncio.create_task(self._send_due())
        tasks = (connecting, leaving, sending)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for running in (connecting, sending):
                if running.done():
                    running.result()
            await self._say_farewell(connecting)
            self._carry_out(self._client.abandon())
        finally:
            if self._leaving_later is not None:
                self._leaving_later.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def leave(self, reason: str = "") -> None:
        """Quit the server and let `run` return."""
        self._quit_reason = reason
        self._leaving.set()

    @property
    def is_leaving(self) -> bool:
        """Whether `leave` was called."""
        return self._leaving.is_set()

    def leave_when_idle(self, reason: str = "") -> None:
        """Leave when the server has confirmed all messages."""
        waiting = asyncio.create_task(self._wait_until_idle())
        self._leaving_later = waiting
        waiting.add_done_callback(lambda _: self.leave(reason))

    async def _wait_until_idle(self) -> None:
        await self.idle.wait()

    def type(self, line: str) -> None:
        """Process a line typed by the user: text or a slash command."""
        self._carry_out(self._client.type(line))

    def say(self, text: str) -> None:
        """Send text to the current channel, even if it begins with a slash."""
        self._carry_out(self._client.say(text))

    def say_to(self, target: str, text: str) -> None:
        """Send text to a channel or user."""
        self._carry_out(self._client.say_to(target, text))

    def read(self) -> None:
        """Mark the current conversation as read."""
        self._carry_out(self._client.read())

    def ask_earlier(self) -> None:
        """Request the messages before the oldest one of the current conversation."""
        self._carry_out(self._client.ask_earlier())

    async def _stay_connected(self) -> None:
        attempt = 0
        while True:
            started_at = time.monotonic()
            try:
                await self._connect_once()
            except ConnectionFailedError as error:
                if not self._was_registered:
                    raise
                if self._leaving.is_set():
                    return
                attempt = attempt if time.monotonic() - started_at < _STABLE_S else 0
                await self._wait_to_reconnect(
                    self._client.state.closing_reason or error.reason, attempt
                )
                attempt += 1

    async def _wait_to_reconnect(self, reason: str, attempt: int) -> None:
        delay_s = backoff_s(attempt) * random.uniform(0.75, 1)  # noqa: S311 (spreads clients in time, no secret)
        delay_s += random.uniform(0, _SPREAD_S)  # noqa: S311 (as above)
        when = f" in {delay_s:.0f} s" if delay_s >= _SHOWN_DELAY_S else ""
        self._carry_out(self._client.observed([Disconnected(f"{reason}; trying again{when}")]))
        await asyncio.sleep(delay_s)

    async def _connect_once(self) -> None:
        """Connect, and process messages until the connection ends; raises the reason."""
        timeout_s = self._settings.timeout_s
        self.endpoint, connection = await connect(self._settings.endpoints, self._tls, timeout_s)
        if not self._was_registered and (warning := exposure(self._settings, self.endpoint)):
            self._carry_out(self._client.observed([Notice(warning)]))
        self._connection, self._received_at = connection, time.monotonic()
        watching = asyncio.create_task(self._watch(connection))
        try:
            self._carry_out(self._client.connected(token_urlsafe()))
            while True:
                messages = await connection.receive()
                self._received_at = time.monotonic()
                if not self._has_quit:  # the replies to QUIT are not shown
                    self._receive(messages)
        finally:
            self._connection = None
            self._client.disconnected()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await connection.close()

    def _receive(self, messages: Sequence[Message]) -> None:
        effects: list[Effect] = []
        for message in messages:
            was_registered = self._client.state.is_registered
            received = self._client.receive(message)
            if not was_registered:
                self._check_registration(received)
            effects += received
        self._carry_out(effects)

    def _check_registration(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Refused) and effect.code not in SASL_FAILURES:
                raise RegistrationRefusedError(effect.text)
            self._was_registered |= isinstance(effect, Registered)

    async def _send_due(self) -> None:
        """Send the paced messages when they are due; a task, so that an error ends `run`."""
        while True:
            await self._due.wait()
            self._due.clear()
            self._carry_out(())

    async def _watch(self, connection: ServerConnection) -> None:
        """Abort a connection whose server does not register the client, or falls silent."""
        await asyncio.sleep(self._settings.timeout_s)
        if not self._client.state.is_registered:
            connection.abort(f"no welcome in {self._settings.timeout_s:g} s")
        while True:
            silent_s = time.monotonic() - self._received_at
            if silent_s > 2 * _SILENCE_S:
                connection.abort("the server is silent")
            elif silent_s > _SILENCE_S:
                connection.send([Message("PING", ("still-there",))])
            self._carry_out(self._client.tick())
            await asyncio.sleep(_SILENCE_S / 2)

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        """Send lines, show the events, and pass on what concerns the front end.

        `show` is called without events, too: the state may have changed.
        """
        effects = [*effects, *self._client.due(time.monotonic())]
        lines = [effect.message for effect in effects if isinstance(effect, SendLine)]
        if self._connection is not None and lines:
            self._connection.send(lines)
        self._follow_outbox()
        self._show([e for e in effects if not isinstance(e, SendLine | Leave | ScreenRequest)])
        for effect in effects:
            if isinstance(effect, Leave | ScreenRequest):
                self._on_request(effect)

    def _leave_if_requested(self, request: Leave | ScreenRequest) -> None:
        if isinstance(request, Leave):
            self.leave(request.reason)

    def _follow_outbox(self) -> None:
        outbox = self._client.state.outbox
        (self.idle.clear if len(outbox) else self.idle.set)()
        (self.has_room.clear if outbox.is_full else self.has_room.set)()
        if self._due_timer is not None:
            self._due_timer.cancel()
        delay_s = outbox.delay_s() if self._client.state.is_registered else None
        if delay_s is not None:
            self._due_timer = asyncio.get_running_loop().call_later(delay_s, self._due.set)

    async def _say_farewell(self, connecting: asyncio.Task[None]) -> None:
        """Give the last messages time to be confirmed, then send QUIT."""
        if self._connection is None:
            return
        idle = asyncio.create_task(self.idle.wait())
        await asyncio.wait({idle, connecting}, timeout=_FAREWELL_S, return_when="FIRST_COMPLETED")
        idle.cancel()
        if self._connection is not None:
            quit_line = send("QUIT", *([self._quit_reason] if self._quit_reason else []))
            self._connection.send([quit_line.message])
            self._has_quit = True
            await asyncio.wait({connecting}, timeout=_FAREWELL_S)


def exposure(settings: ClientSettings, endpoint: Endpoint) -> str:
    """Return the warning of a password that others on the way can read; empty if none can."""
    if settings.tls or endpoint.is_local or not settings.identity.sends_password:
        return ""
    return f"{endpoint.host} gets your password without encryption; try --tls, or --scram"


def backoff_s(attempt: int) -> float:
    """Return the delay before the next attempt, after `attempt` failed ones: none at first."""
    if not attempt:
        return 0.0
    return min(_MAX_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS))


def _tls_context(settings: ClientSettings) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    file = settings.ca_file
    try:
        context = ssl.create_default_context(cafile=file or None)
        if settings.certificate:
            file = settings.certificate
            context.load_cert_chain(file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{file}: {error}") from error
    return context

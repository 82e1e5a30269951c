"""The front end for scripts: delivers the lines of standard input, or one text.

Errors are reported on standard error.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Final

from netd.client.client_settings import ClientSettings
from netd.client.connector import Connector
from netd.client.core.chat_events import (
    ChannelJoined,
    ChatEvent,
    Disconnected,
    Refused,
    Registered,
    Undelivered,
)
from netd.client.core.event_format import error_text, to_json
from netd.client.core.irc_client import IrcClient
from netd.client.core.sanitize import sanitize
from netd.client.server_connection import ConnectionLostError
from netd.client.stdin import read_lines

EX_DELIVERED: Final = 0
EX_REFUSED: Final = 1


class Pipe:
    """One run, from the first connection to the last confirmation."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._client = IrcClient(settings.identity)
        self._connector = Connector(settings, self._client, self._show)
        self._channel = settings.identity.channels[0]
        self._registered, self._joined = asyncio.Event(), asyncio.Event()
        self._was_refused = False

    async def run(self) -> int:
        """Deliver every message and return the exit status.

        Raises the errors of Connector.run, and ConnectionLostError if the server does not return.
        """
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(signum, self._connector.leave)
        feeding = asyncio.create_task(self._feed())
        try:
            await self._connector.run()
            if feeding.done():
                feeding.result()
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        if not self._joined.is_set() and not self._was_refused:
            raise ConnectionLostError(f"ended before {self._channel} was entered")
        return EX_REFUSED if self._was_refused else EX_DELIVERED

    async def _feed(self) -> None:
        try:
            await self._wait_for_channel()
            async for line in self._lines():
                await self._connector.has_room.wait()
                self._connector.say(line)
            await self._wait_for_confirmations()
        finally:
            self._connector.leave()

    async def _wait_for_channel(self) -> None:
        await self._registered.wait()  # Connector limits this time
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._joined.wait()
        except TimeoutError as error:
            reason = f"not in {self._channel} after {self._settings.timeout_s:g} s"
            raise ConnectionLostError(reason) from error

    async def _lines(self) -> AsyncIterator[str]:
        if self._settings.text is not None:
            yield self._settings.text
            return
        async for line in read_lines(sys.stdin.fileno()):
            yield line

    async def _wait_for_confirmations(self) -> None:
        """Wait until the outbox is empty, or makes no progress within the timeout."""
        outbox = self._client.state.outbox
        while left := len(outbox):
            idle = asyncio.create_task(self._connector.idle.wait())
            await asyncio.wait({idle}, timeout=self._settings.timeout_s)
            idle.cancel()
            if len(outbox) == left:
                if not self._client.state.is_registered:
                    raise ConnectionLostError(
                        f"the server is gone, and {left} messages are undelivered"
                    )
                return

    def _show(self, events: Sequence[ChatEvent]) -> None:
        if self._settings.json:
            now = dt.datetime.now().astimezone()
            sys.stdout.write("".join(f"{to_json(event, now)}\n" for event in events))
            sys.stdout.flush()
        for event in events:
            self._note(event)

    def _note(self, event: ChatEvent) -> None:
        match event:
            case Registered():
                self._registered.set()
            case ChannelJoined(channel) if self._is_own(channel):
                self._joined.set()
            case Undelivered():
                self._was_refused = True
            case Refused() if self._is_own(event.target):
                self._leave_if_outside()
        if isinstance(event, Undelivered | Refused | Disconnected):
            sys.stderr.write(f"netd-chat: {sanitize(error_text(event))}\n")

    def _leave_if_outside(self) -> None:
        """Give up if the client is not in its channel: the server refuses or has removed it."""
        if self._channel not in self._client.state.roster:
            self._was_refused = True
            self._connector.leave()

    def _is_own(self, channel: str) -> bool:
        fold = self._client.state.fold
        return fold(channel) == fold(self._channel)

"""Not a terminal: each line of standard input, or the one given, becomes a message.

Nothing is over until the server has confirmed it. What goes wrong is told on standard error.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Final

from netd.client.clean import clean
from netd.client.connection import LostError
from netd.client.event import Entered, Event, Lost, Refused, Registered, Undelivered
from netd.client.session import Session
from netd.client.setting import Settings
from netd.client.stdin import read_lines
from netd.client.talk import Talk
from netd.client.wording import to_json

DELIVERED: Final = 0
REFUSED: Final = 1


class Pipe:
    """One run from the first connection to the last confirmation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session = Session(settings.identity)
        self._talk = Talk(settings, self._session, self._show)
        self._fold = self._session.state.fold
        self._channel = settings.identity.channels[0]
        self._admitted, self._entered = asyncio.Event(), asyncio.Event()
        self._was_refused = False

    async def run(self) -> int:
        """Deliver everything; the exit status.

        Raises what Talk.run raises, and LostError where the server stays away.
        """
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(signum, self._talk.leave)
        feeding = asyncio.create_task(self._feed())
        try:
            await self._talk.run()
            if feeding.done():
                feeding.result()
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        undelivered = len(self._session.state.outbox)
        if not self._entered.is_set() and not self._was_refused:
            raise LostError(f"ended before {self._channel} was entered")
        if undelivered:
            _complain(f"{undelivered} messages are not confirmed")
        return REFUSED if self._was_refused or undelivered else DELIVERED

    async def _feed(self) -> None:
        try:
            await self._enter()
            async for line in self._lines():
                await self._talk.has_room.wait()
                self._talk.say(line)
            await self._settle()
        finally:
            self._talk.leave()

    async def _enter(self) -> None:
        await self._admitted.wait()  # for as long as Talk allows
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._entered.wait()
        except TimeoutError as error:
            why = f"not in {self._channel} after {self._settings.timeout_s:g} s"
            raise LostError(why) from error

    async def _lines(self) -> AsyncIterator[str]:
        if self._settings.text is not None:
            yield self._settings.text
            return
        async for line in read_lines(sys.stdin.fileno()):
            yield line

    async def _settle(self) -> None:
        """Wait until all is confirmed, as long as there is progress."""
        outbox = self._session.state.outbox
        while left := len(outbox):
            idle = asyncio.create_task(self._talk.idle.wait())
            await asyncio.wait({idle}, timeout=self._settings.timeout_s)
            idle.cancel()
            if len(outbox) == left:
                if not self._session.state.is_registered:
                    raise LostError(f"the server is gone, and {left} messages are undelivered")
                return

    def _show(self, events: Sequence[Event]) -> None:
        now = dt.datetime.now().astimezone()
        if self._settings.json:
            sys.stdout.write("".join(f"{to_json(each, now)}\n" for each in events))
            sys.stdout.flush()
        for each in events:
            self._note(each)

    def _note(self, event: Event) -> None:
        match event:
            case Registered():
                self._admitted.set()
            case Entered(channel) if self._fold(channel) == self._fold(self._channel):
                self._entered.set()
            case Undelivered(_, text, why):
                self._was_refused = True
                _complain(f"not delivered: {text!r}: {why}")
            case Refused(text, _, target):
                _complain(text)
                is_out = self._channel not in self._session.state.roster
                if is_out and self._fold(target) == self._fold(self._channel):
                    self._was_refused = True
                    self._talk.leave()
            case Lost(text):
                _complain(text)


def _complain(text: str) -> None:
    sys.stderr.write(f"netd-chat: {clean(text)}\n")

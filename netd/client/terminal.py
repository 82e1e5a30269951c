"""A person at a terminal: on the screen where it can move its cursor, else in plain lines."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from netd.client.clean import clean
from netd.client.event import Event, Moved, Said
from netd.client.session import Session
from netd.client.setting import Settings
from netd.client.stdin import read_lines
from netd.client.talk import Talk
from netd.client.wording import INTERRUPT_HINT, Wording

if TYPE_CHECKING:
    from netd.client.screen import Screen

_STOP_S: Final = 0.5
_BELL: Final = "\a"


class PlainLines:
    """A terminal that only prints and reads lines; it edits and echoes what is typed itself."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._is_interrupted = False
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Read lines until the end, which is Ctrl-D."""
        self._running = asyncio.current_task()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)
        async for line in read_lines(sys.stdin.fileno()):
            self._is_interrupted = False
            self._talk.type(line)

    def show(self, lines: Sequence[str]) -> None:
        """Print."""
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def refresh(self) -> None:
        """There is no prompt: it would stand between the lines that come in."""

    def stop(self) -> None:
        """Read no more."""
        if self._running is not None:
            self._running.cancel()

    def _interrupt(self) -> None:
        if self._is_interrupted:
            self._talk.leave()
        self._is_interrupted = True
        self.show([INTERRUPT_HINT])


class Terminal:
    """Shows a conversation, and takes what is typed."""

    def __init__(self, settings: Settings, *, can_draw: bool, colors: bool) -> None:
        self._settings, self._can_draw = settings, can_draw
        self._session = Session(settings.identity)
        self._session.state.is_quiet = settings.is_quiet
        fold = self._session.state.fold
        self._session.state.ignored.update((fold(nick), nick) for nick in settings.ignored)
        self._wording = Wording(colors=colors)
        self._talk = Talk(settings, self._session, self._show)
        self._surface = self._new_surface()

    async def run(self) -> None:
        """Talk until the person leaves. Raises what Talk.run raises."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(signum, self._talk.leave)
        editing = asyncio.create_task(self._surface.run())
        editing.add_done_callback(lambda _: self._talk.leave())
        try:
            await self._talk.run()
        finally:
            await self._stop(editing)

    async def _stop(self, editing: asyncio.Task[None]) -> None:
        self._surface.stop()
        await asyncio.wait({editing}, timeout=_STOP_S)
        editing.cancel()  # in case it was only about to begin
        (fault,) = await asyncio.gather(editing, return_exceptions=True)
        if isinstance(fault, Exception):
            raise fault

    def _new_surface(self) -> PlainLines | Screen:
        if not self._can_draw:
            return PlainLines(self._talk)
        from netd.client.screen import Screen  # noqa: PLC0415 (a pipe must not wait for it)

        return Screen(self._session.state, self._prompt, self._talk.type, self._talk.leave)

    def _prompt(self) -> str:
        state, endpoint = self._session.state, self._talk.endpoint
        here = socket.gethostname().partition(".")[0]
        host = here if endpoint is None or endpoint.is_local else endpoint.host
        is_plain = len(state.roster) <= 1 and state.current in state.roster
        where = "" if is_plain or not state.is_registered else f" {state.current}"
        offline = "" if state.is_registered else " (offline)"
        return clean(f"[{state.nick}@{host}{where}{offline}]> ")

    def _show(self, events: Sequence[Event]) -> None:
        now = dt.datetime.now().astimezone()
        state = self._session.state
        shown = [each for each in events if not self._is_hidden(each)]
        lines = [line for each in shown if (line := self._wording.line(each, now, state.current))]
        if lines:
            rings = any(isinstance(each, Said) and each.mention for each in shown)
            lines[-1] += _BELL if rings and self._settings.bell else ""
            self._surface.show(lines)
        self._surface.refresh()

    def _is_hidden(self, event: Event) -> bool:
        if isinstance(event, Moved):
            return self._session.state.is_quiet
        if self._can_draw or not isinstance(event, Said):
            return False
        return event.mine and not event.old  # the line typed still stands there

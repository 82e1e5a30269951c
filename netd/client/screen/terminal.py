"""The terminal front end: shows events as lines on a surface and passes typed lines on."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import socket
from collections.abc import Sequence
from typing import Final

from netd.client.client_settings import ClientSettings
from netd.client.connector import Connector
from netd.client.core.chat_events import ChatEvent, ChatMessage, MembershipChange
from netd.client.core.event_format import EventFormatter
from netd.client.core.irc_client import IrcClient
from netd.client.core.sanitize import sanitize
from netd.client.screen.line_editor import LineEditor
from netd.client.screen.plain_lines import PlainLines
from netd.client.screen.surface import Surface

_STOP_S: Final = 0.5
_BELL: Final = "\a"


class Terminal:
    """One run on a terminal, with a line editor if the cursor can be moved (`can_draw`)."""

    def __init__(self, settings: ClientSettings, *, can_draw: bool, colors: bool) -> None:
        self._settings, self._can_draw = settings, can_draw
        self._client = IrcClient(settings.identity)
        state = self._client.state
        state.is_quiet = settings.is_quiet
        state.ignored.update((state.fold(nick), nick) for nick in settings.ignored)
        self._formatter = EventFormatter(colors=colors)
        self._connector = Connector(settings, self._client, self._show)
        self._surface = self._new_surface()

    async def run(self) -> None:
        """Run until the user leaves. Raises the errors of Connector.run."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(signum, self._connector.leave)
        editing = asyncio.create_task(self._surface.run())
        editing.add_done_callback(lambda _: self._connector.leave())
        try:
            await self._connector.run()
        finally:
            await self._stop(editing)

    async def _stop(self, editing: asyncio.Task[None]) -> None:
        self._surface.stop()
        await asyncio.wait({editing}, timeout=_STOP_S)
        editing.cancel()  # if the surface had not started yet
        (error,) = await asyncio.gather(editing, return_exceptions=True)
        if isinstance(error, Exception):
            raise error

    def _new_surface(self) -> Surface:
        on_line, on_leave = self._connector.type, self._connector.leave
        if not self._can_draw:
            return PlainLines(on_line, on_leave)
        return LineEditor(self._client.state, self._prompt, on_line, on_leave)

    def _prompt(self) -> str:
        state, endpoint = self._client.state, self._connector.endpoint
        host = socket.gethostname().partition(".")[0]
        if endpoint is not None and not endpoint.is_local:
            host = endpoint.host
        is_only_channel = len(state.roster) <= 1 and state.current in state.roster
        current = "" if is_only_channel or not state.is_registered else f" {state.current}"
        offline = "" if state.is_registered else " (offline)"
        return sanitize(f"[{state.nick}@{host}{current}{offline}]> ")

    def _show(self, events: Sequence[ChatEvent]) -> None:
        now = dt.datetime.now().astimezone()
        shown = [event for event in events if not self._is_hidden(event)]
        lines = [self._formatter.line(event, now, self._client.state.current) for event in shown]
        lines = [line for line in lines if line]
        if lines:
            rings = any(isinstance(event, ChatMessage) and event.mention for event in shown)
            lines[-1] += _BELL if rings and self._settings.bell else ""
            self._surface.show(lines)
        self._surface.refresh()

    def _is_hidden(self, event: ChatEvent) -> bool:
        if isinstance(event, MembershipChange):
            return self._client.state.is_quiet
        if self._can_draw or not isinstance(event, ChatMessage):
            return False
        return event.mine and not event.old  # a plain terminal still shows the typed line

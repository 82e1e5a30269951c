"""The terminal front end: shows events on a surface, and passes on what the user does."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from netd.client.chat_log import ChatLog
from netd.client.client_settings import ClientSettings
from netd.client.connector import Connector
from netd.client.core.chat_events import (
    ChatEvent,
    ChatMessage,
    Leave,
    MembershipChange,
    Reaction,
    Refused,
    ScreenAction,
    ScreenRequest,
    SentAside,
    Undelivered,
)
from netd.client.core.crowds import Crowd, fold
from netd.client.core.desk import Desk, Placed
from netd.client.core.event_format import EventFormatter, format_event
from netd.client.core.irc_client import IrcClient
from netd.client.core.paste_plan import PastePlan
from netd.client.core.placement import conversations_of
from netd.client.core.sanitize import sanitize
from netd.client.core.styled_text import Spans, Style
from netd.client.core.word_wrap import columns
from netd.client.screen.crowd_hold import CrowdHold
from netd.client.screen.hooks import Hooks
from netd.client.screen.plain_lines import PlainLines
from netd.client.screen.presence import Presence
from netd.client.screen.surface import Surface
from netd.client.state_files import StateFiles

_STOP_S: Final = 0.5
_SLOW_START_S: Final = 2.0  # before the program says what it waits for
_MAX_FOUND: Final = 50
_MAX_ACTIVE: Final = 3  # conversations that the prompt names


class SurfaceKind(enum.Enum):
    """The surfaces that there are."""

    FULL_SCREEN = enum.auto()
    LINE_EDITOR = enum.auto()
    PLAIN_LINES = enum.auto()  # on a terminal that cannot move its cursor


class Terminal:
    """One run on a terminal."""

    def __init__(
        self,
        settings: ClientSettings,
        kind: SurfaceKind,
        environ: Mapping[str, str],
        *,
        colors: bool,
    ) -> None:
        self._settings, self._kind, self._environ = settings, kind, environ
        self._client = IrcClient(settings.identity, self._record)
        self._state = state = self._client.state
        state.is_quiet = settings.is_quiet
        state.highlights, state.wants_away = settings.highlights, kind is SurfaceKind.FULL_SCREEN
        state.ignored.update((state.fold(nick), nick) for nick in settings.ignored)
        self._connector = Connector(settings, self._client, self._show, self._on_request)
        server = "local" if len(settings.endpoints) > 1 else str(settings.endpoints[0])
        self._files = StateFiles(environ, server) if settings.remember else None
        self._presence = Presence(state, self._connector.read, self._files)
        self._log = ChatLog(StateFiles(environ, server).directory, server) if settings.log else None
        self._started = asyncio.Event()
        self._hold = CrowdHold(self._show_now)
        self._to_log: list[Placed] = []
        self._unsent: list[ChatEvent] = []
        self._surface, self._desk = self._new_surface(colors=colors)

    async def run(self) -> None:
        """Run until the user leaves. Raises the errors of Connector.run."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(signum, self._connector.leave)
        self._presence.restore()
        if self._kind is not SurfaceKind.FULL_SCREEN:
            self._started.set()
        surface = asyncio.create_task(self._run_surface())
        surface.add_done_callback(lambda _: self._connector.leave())
        try:
            await self._connector.run()
        finally:
            await self._stop(surface)
            self._presence.keep()
            if self._files is not None:
                self._files.trim_typed_lines()
        self._report_unsent()

    async def _run_surface(self) -> None:
        """Show the full screen when there is something to show: a failed start has none."""
        try:
            async with asyncio.timeout(_SLOW_START_S):
                await self._started.wait()
        except TimeoutError:
            sys.stdout.write(f"connecting to {self._settings.endpoints[0]} ...\n")
            sys.stdout.flush()
            await self._started.wait()
        await self._surface.run()

    async def _stop(self, surface: asyncio.Task[None]) -> None:
        self._hold.flush()
        self._surface.stop()
        if self._started.is_set():
            await asyncio.wait({surface}, timeout=_STOP_S)
        surface.cancel()  # if it had not started yet
        (error,) = await asyncio.gather(surface, return_exceptions=True)
        if isinstance(error, Exception):
            raise error

    def _new_surface(self, *, colors: bool) -> tuple[Surface, Desk]:
        hooks = Hooks(
            on_line=self._connector.type,
            on_paste=self._paste,
            on_leave=lambda: self._on_request(Leave()),
            on_activity=self._on_activity,
            on_switch=self._switch,
            on_top=self._connector.ask_earlier,
            prompt=self._prompt,
            server=self._server_name,
        )
        if self._kind is SurfaceKind.PLAIN_LINES:
            return PlainLines(hooks, self._format), Desk(self._state, columns)
        # prompt_toolkit loads slowly, and a dumb terminal has no use for it.
        from prompt_toolkit.utils import get_cwidth  # noqa: PLC0415 (as above)

        from netd.client.screen.full_screen import FullScreen  # noqa: PLC0415 (as above)
        from netd.client.screen.input_line import TypedLines  # noqa: PLC0415 (as above)
        from netd.client.screen.line_editor import LineEditor  # noqa: PLC0415 (as above)
        from netd.client.screen.reflow import reflows  # noqa: PLC0415 (as above)

        desk, typed = Desk(self._state, get_cwidth), TypedLines(self._files)
        if self._kind is SurfaceKind.FULL_SCREEN:
            return FullScreen(self._state, desk, hooks, typed, colors=colors), desk
        editor = LineEditor(
            *(self._state, hooks, typed, self._format),
            colors=colors,
            reflows=reflows(self._environ),
        )
        return editor, desk

    # Events

    def _show(self, events: Sequence[ChatEvent]) -> None:
        self._desk.follow()
        self._write_log()
        if self._connector.is_leaving:
            self._unsent += [event for event in events if isinstance(event, Undelivered)]
        if events:
            self._started.set()
        if any(isinstance(event, ChatMessage) for event in events) and self._is_reading():
            self._presence.read_soon()
        if self._kind is SurfaceKind.FULL_SCREEN:
            self._show_now(events)
        else:
            self._hold.put(events)

    def _show_now(self, events: Sequence[ChatEvent]) -> None:
        said = [event for event in events if isinstance(event, ChatMessage) and not event.old]
        rings = self._settings.bell and any(message.mention for message in said)
        self._surface.show(events, rings=rings)

    def _is_reading(self) -> bool:
        return self._presence.is_present() and not self._desk.current.is_scrolled

    def _record(self, event: ChatEvent) -> None:
        """Put an event on the desk while its conversations are as they were."""
        now = dt.datetime.now().astimezone()
        self._desk.follow()
        placed = self._desk.record(event, now, is_present=self._presence.is_present())
        if self._log is not None:
            self._to_log += placed

    def _write_log(self) -> None:
        if self._log is None or not self._to_log:
            return
        now = dt.datetime.now().astimezone()
        placed, self._to_log = self._to_log, []
        try:
            self._log.append(placed, now, self._desk)
        except OSError as error:
            self._log = None
            reason = Refused(f"the log cannot be written any more: {error.strerror}")
            self._desk.record(reason, now, is_present=True)
            self._surface.show([reason], rings=False)

    def _format(self, events: Sequence[ChatEvent]) -> list[Spans]:
        """Return the lines for events, where each line stands by itself."""
        now = dt.datetime.now().astimezone()
        shown = [event for event in events if not self._is_hidden(event)]
        lines = [self._format_item(item, now) for item in fold(shown)]
        return [line for line in lines if line]

    def _format_item(self, item: ChatEvent | list[MembershipChange], now: dt.datetime) -> Spans:
        current = self._state.current
        if isinstance(item, list):
            channel = item[0].channel
            place = f" {channel}" if channel and not self._state.is_current(channel) else ""
            text = sanitize(Crowd(item).text(place))
            return [(Style.DIM, f"{now:%H:%M} -- {text}")]
        found = conversations_of(self._state, item)
        reply = self._desk.quote_for(found[0], item) if found else ""
        return format_event(item, now, current, reply=reply)

    def _is_hidden(self, event: ChatEvent) -> bool:
        if isinstance(event, MembershipChange):
            return self._state.is_quiet
        if isinstance(event, SentAside) or (isinstance(event, Reaction) and event.old):
            return True
        if self._kind is not SurfaceKind.PLAIN_LINES or not isinstance(event, ChatMessage):
            return False
        return event.mine and not event.old  # a plain terminal still shows the typed line

    # What the user does

    def _on_activity(self) -> None:
        self._presence.note_key(is_at_end=not self._desk.current.is_scrolled)

    def _switch(self, name: str) -> None:
        self._state.current = name
        self._desk.follow()
        self._on_activity()
        self._surface.refresh()

    def _paste(self, plan: PastePlan) -> None:
        self._connector.say_to(plan.target, plan.text)

    def _on_request(self, request: Leave | ScreenRequest) -> None:
        if isinstance(request, ScreenRequest):
            if request.action is ScreenAction.FIND:
                self._find(request.argument)
            self._surface.carry_out(request)
            return
        if self._is_reading():
            self._connector.read()
        waiting = self._state.outbox.waiting_lines()
        if not waiting:
            self._connector.leave(request.reason)
            return
        lines = "1 line is" if waiting == 1 else f"{waiting} lines are"
        self._surface.ask(
            f"{lines} not sent yet: leave, wait until sent, stay?",
            {
                "leave": lambda: self._connector.leave(request.reason),
                "wait": lambda: self._connector.leave_when_idle(request.reason),
                "stay": lambda: None,
            },
        )

    def _find(self, text: str) -> None:
        found = self._desk.current.find(text)
        count = f"{len(found)} line{'' if len(found) == 1 else 's'} with {text!r}"
        shown = [[(Style.DIM, f"{line.time:%b %d} "), *line.spans] for line in found[-_MAX_FOUND:]]
        heading: Spans = [(Style.DIM, f"-- {sanitize(count)}")]
        self._surface.print_spans([*shown, heading])

    # Names

    def _server_name(self) -> str:
        endpoint = self._connector.endpoint
        if endpoint is not None and not endpoint.is_local:
            return endpoint.host
        return socket.gethostname().partition(".")[0]

    def _prompt(self) -> str:
        state = self._state
        is_only_channel = len(state.roster) <= 1 and state.current in state.roster
        current = "" if is_only_channel or not state.is_registered else f" {state.current}"
        offline = "" if state.is_registered else " (offline)"
        return sanitize(f"[{state.nick}@{self._server_name()}{current}{self._unread()}{offline}]> ")

    def _unread(self) -> str:
        conversations = self._state.conversations
        active = [c for c in conversations if c.unread and c is not conversations.current]
        counts = [
            f"{conversations.number(c)}:{c.name or 'server'} {c.unread}"
            for c in active[:_MAX_ACTIVE]
        ]
        return f" | {', '.join(counts)}" if counts else ""

    def _report_unsent(self) -> None:
        """Print what was not sent, after the full screen has gone with all its lines."""
        if self._kind is not SurfaceKind.FULL_SCREEN:
            return
        now, formatter = dt.datetime.now().astimezone(), EventFormatter(colors=False)
        sys.stdout.writelines(f"{formatter.line(event, now)}\n" for event in self._unsent)

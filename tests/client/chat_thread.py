"""netd-chat without a terminal: its connector in a thread, and the events that it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Thread

from netd.client.client_settings import read_settings
from netd.client.connector import Connector
from netd.client.core.chat_events import ChatEvent, ChatMessage, Registered
from netd.client.core.irc_client import IrcClient
from tests.support import wait_until


class ChatThread:
    """A client that reconnects; `close` ends it."""

    def __init__(self, *arguments: str) -> None:
        self.events: list[ChatEvent] = []
        self._loop = asyncio.new_event_loop()
        settings = read_settings(list(arguments), {}, "bob", at_terminal=True)
        self._connector = Connector(settings, IrcClient(settings.identity), self._show)
        self._thread = Thread(target=self._run)
        self._thread.start()

    def type(self, line: str) -> None:
        """Type a line."""
        self._loop.call_soon_threadsafe(self._connector.type, line)

    def texts(self, target: str = "#lounge") -> list[str]:
        """The texts of the messages to a target, in the order in which they came."""
        return [chat.text for chat in self.messages(target)]

    def messages(self, target: str = "#lounge") -> list[ChatMessage]:
        """The messages to a target; what was missed comes after what is said meanwhile."""
        chats = [event for event in list(self.events) if isinstance(event, ChatMessage)]
        return [chat for chat in chats if chat.target == target]

    def registrations(self) -> list[Registered]:
        """The welcomes of the server."""
        return [event for event in self.events if isinstance(event, Registered)]

    def await_registrations(self, count: int) -> None:
        """Wait until the server has welcomed the client so many times."""
        wait_until(lambda: len(self.registrations()) >= count, f"{count} welcomes: {self.events}")

    def await_event(self, event: ChatEvent) -> None:
        """Wait until an event is shown."""
        wait_until(lambda: event in self.events, f"{event} among {self.events}")

    def close(self) -> None:
        """Quit the server."""
        self._loop.call_soon_threadsafe(self._connector.leave)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._connector.run())

    def _show(self, events: Sequence[ChatEvent]) -> None:
        self.events += events

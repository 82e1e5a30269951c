"""The log: a file for each conversation, in the state directory, with mode 0600."""

from __future__ import annotations

import datetime as dt
import os
from collections import defaultdict
from collections.abc import Sequence

from netd.client.core.chat_events import ChatEvent, ChatMessage, EarlierMessages, Reaction
from netd.client.core.desk import Desk, Placed
from netd.client.core.event_format import EventFormatter, local_time
from netd.client.state_files import file_name, open_to_append


class ChatLog:
    """Appends events to the files of their conversations.

    Earlier messages that the server sends again are written only if they are newer than the file
    was when this run began.
    """

    def __init__(self, directory: str, server: str) -> None:
        self._directory = f"{directory}/logs/{file_name(server)}"
        self._formatter = EventFormatter(colors=False)
        self._written_until: dict[str, float] = {}  # by earlier runs: path -> time of the file

    def append(self, shown: Sequence[Placed], now: dt.datetime, desk: Desk) -> None:
        """Write events that were shown. Raises OSError if the log cannot be written."""
        lines: dict[str, list[str]] = defaultdict(list)
        for placed in shown:
            name = placed.conversation.name
            path = f"{self._directory}/{file_name(name.lower())}.log"
            if self._is_written(path, placed.event, now):
                continue
            reply = desk.quote_for(placed.conversation, placed.event)
            line = self._formatter.line(
                placed.event, now, name, stamp="%Y-%m-%d %H:%M:%S", reply=reply
            )
            if line:
                lines[path].append(f"{line}\n")
        for path, of_conversation in lines.items():
            with open_to_append(path) as file:
                file.writelines(of_conversation)

    def _is_written(self, path: str, event: ChatEvent, now: dt.datetime) -> bool:
        if path not in self._written_until:
            self._written_until[path] = os.stat(path).st_mtime if os.path.exists(path) else 0.0
        if isinstance(event, ChatMessage | Reaction) and event.old:
            return local_time(event.time, now).timestamp() <= self._written_until[path]
        return isinstance(event, EarlierMessages)

"""The log: a file for each conversation, in the state directory, with mode 0600."""

from __future__ import annotations

import datetime as dt
import os
from collections import defaultdict
from collections.abc import Sequence

from netd.client.core.desk import Placed
from netd.client.core.event_format import EventFormatter
from netd.client.state_files import file_name, open_private


class ChatLog:
    """Appends events to the files of their conversations."""

    def __init__(self, directory: str, server: str) -> None:
        self._directory = f"{directory}/logs/{file_name(server)}"
        self._formatter = EventFormatter(colors=False)

    def append(self, shown: Sequence[Placed], now: dt.datetime) -> None:
        """Write events that were shown. Raises OSError if the log cannot be written."""
        lines: dict[str, list[str]] = defaultdict(list)
        for placed in shown:
            name = placed.conversation.name
            line = self._formatter.line(placed.event, now, name, stamp="%Y-%m-%d %H:%M:%S")
            if line:
                lines[name].append(f"{line}\n")
        for name, of_conversation in lines.items():
            path = f"{self._directory}/{file_name(name.lower())}.log"
            with open_private(path, os.O_APPEND) as file:
                file.writelines(of_conversation)

"""The output queue of a connection."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from netd.listeners.http.connection.send_queue import SendQueue, TruncatedError
from netd.listeners.http.connection.transport import PlainTransport
from netd.listeners.http.protocol.response import FilePart


def test_a_file_that_cannot_be_read_is_no_lost_connection(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        output = SendQueue(PlainTransport(ours))
        output.append(FilePart(os.open(tmp_path, os.O_RDONLY), 0, 100_000))
        with pytest.raises(TruncatedError):
            output.send()
        output.close()

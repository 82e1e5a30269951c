"""Clients that talk in one channel, and the rules that what they see must satisfy."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Sequence

_MESSAGE = re.compile(r"@\S*?msgid=([^;\s]+)\S* :(\S+?)!\S+ PRIVMSG #room :(\S+)$")


class Talker:
    """A client; each of its lines is its name and a number."""

    def __init__(self, name: str, sock: socket.socket) -> None:
        self.name = name
        self.sock = sock
        self.sock.setblocking(False)
        self.said = 0
        self.seen: list[tuple[int, str]] = []  # the number of the id, and the text
        self.is_whole = True  # it was in the channel all the time
        self.is_open = True
        self._has_joined = False
        self.names: set[str] = set()
        self._unsent = b""
        self._partial = b""
        self.lines: list[str] = []
        self.transcript: list[tuple[float, str]] = []  # with the time
        self.send(
            "CAP REQ :message-tags echo-message server-time",
            f"NICK {name}",
            f"USER {name} 0 * :x",
            "CAP END",
        )
        self.send("JOIN #room")

    def send(self, *lines: str) -> None:
        """Queue lines."""
        self._unsent += "".join(f"{line}\r\n" for line in lines).encode()

    def say(self) -> None:
        """Say the next line."""
        self.send(f"PRIVMSG #room :{self.name}:{self.said}")
        self.said += 1

    def pump(self) -> None:
        """Send and receive what is possible."""
        try:
            if self._unsent:
                self._unsent = self._unsent[self.sock.send(self._unsent) :]
            while self.is_open:
                self._take(self.sock.recv(65536))
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def close(self) -> None:
        """End the connection."""
        self.is_open = self.is_whole = False
        self.sock.close()

    def _take(self, data: bytes) -> None:
        if not data:
            self.close()
            return
        *lines, self._partial = (self._partial + data).split(b"\r\n")
        for line in map(bytes.decode, lines):
            self.lines.append(line)
            self.transcript.append((time.time(), line))
            if found := _MESSAGE.match(line):
                number = int(found[1].rpartition("-")[2], 16)
                self.seen.append((number, found[3]))
            elif line.startswith(f":{self.name}!") and "JOIN" in line:
                self.is_whole &= not self._has_joined  # it has entered again
                self._has_joined = True
            elif " 353 " in line:
                self.names |= {*line.rpartition(":")[2].replace("@", "").split()}


def pump(talkers: Sequence[Talker], seconds: float) -> None:
    """Let all clients send and receive until one of them can, at most for some time."""
    sockets = [talker.sock for talker in talkers if talker.is_open]
    if sockets:
        select.select(sockets, [], [], seconds)
    for talker in talkers:
        if talker.is_open:
            talker.pump()


def check(talkers: Sequence[Talker]) -> None:
    """Check what all clients have seen, after all was healed and each one has seen all ends."""
    text_of: dict[int, str] = {}
    for talker in talkers:
        numbers = [number for number, _ in talker.seen]
        assert numbers == sorted(set(numbers)), f"{talker.name}: doubled, or not in order"
        for number, text in talker.seen:
            assert text_of.setdefault(number, text) == text, "one id, two lines"
    texts = [text_of[number] for number in sorted(text_of)]
    assert len(texts) == len(set(texts)), "a line is there twice"
    for talker in talkers:
        own = [int(text.rpartition(":")[2]) for text in texts if text.startswith(f"{talker.name}:")]
        assert own == sorted(own), f"the order of {talker.name} was changed"
    _check_completeness(talkers)


def _check_completeness(talkers: Sequence[Talker]) -> None:
    echoed = {
        text for talker in talkers for _, text in talker.seen if text.startswith(f"{talker.name}:")
    }
    whole = [talker for talker in talkers if talker.is_whole]
    for talker in whole:
        missing = echoed - {text for _, text in talker.seen}
        assert not missing, f"{talker.name} has not got {sorted(missing)[:5]}"

"""`python -m tests.bench history`: a chat with a million stored lines, beside a busy room.

Prints how long CHATHISTORY and SEARCH take while members talk, by one client and by ten at
once, how long a PING waits meanwhile, and how long the start takes with the large file and
without one.
"""

from __future__ import annotations

import argparse
import base64
import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from netd.listeners.chat import KIND
from netd.listeners.chat.room.storage import Change
from netd.listeners.chat.room.stored_message import AddMessage, AddParty, conversation_name
from netd.listeners.chat.room.stored_state import SetChannelState
from netd.listeners.chat.storage.file import DatabaseFile
from netd.listeners.chat.storage.messages import add_messages
from netd.listeners.chat.storage.tables import write_changes
from tests.bench.harness import machine
from tests.support import WorkerUnderTest

_BATCH: Final = 5000
_CHANNELS: Final = 20
_NOON_MS: Final = 1_790_000_000_000
_TOGETHER: Final = 10
_ACCOUNT: Final = "account"
_CREDENTIALS: Final = base64.b64encode(f"\0{_ACCOUNT}\0{_ACCOUNT}".encode()).decode()
_CONVERSATIONS: Final = 50
_LINES_OF_CONVERSATION: Final = 200
_QUIET_S: Final = 2.0  # the figures of this time are those of the machine
_STATE: Final = '{"topic": null, "modes": {"n": ""}, "lists": {"b": [], "e": [], "I": []}}'
_WORDS: Final = [f"word{number}" for number in range(20_000)]


def main() -> None:
    """Print the table for other numbers, or with a file that is kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.history", description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--rate", type=float, default=500, help="lines per second that members say")
    parser.add_argument("--file", type=Path, help="kept, and used again if it is there")
    arguments = parser.parse_args()
    for line in report(arguments.lines, arguments.requests, arguments.rate, arguments.file):
        print(line, flush=True)


def report(
    lines: int = 1_000_000, requests: int = 300, rate: float = 500, file: Path | None = None
) -> Iterator[str]:
    """A Markdown table, line by line."""
    with tempfile.TemporaryDirectory() as directory:
        path = file or Path(directory) / "chat.db"
        if not path.exists():
            fill(path, lines)
        size = path.stat().st_size >> 20
        yield f"Measured on {machine()}: {lines:,} lines, {size} MiB; {rate:g} more each second.\n"
        yield "| what | median, ms | 99 %, ms | slowest, ms |"
        yield "|---|--:|--:|--:|"
        yield _row("start, empty file", [_start_s(Path(directory) / f"n{n}") for n in range(5)])
        yield _row("start, large file", [_start_s(path) for _ in range(5)])
        yield from measure(path, requests, rate)
        yield from measure_together(path, requests, rate)


def fill(path: Path, count: int) -> None:
    """Write messages of ten words to the logs of channels."""
    chance = random.Random(1)
    with closing(DatabaseFile(str(path))) as file:
        for number in range(_CHANNELS):  # so that they are not new ones
            write_changes(file.connection, [SetChannelState(f"#c{number}", _STATE)])
        for first in range(0, count, _BATCH):
            rows = [
                AddMessage(
                    f"#c{number % _CHANNELS}",
                    number + 1,
                    _NOON_MS + 1000 * number,
                    True,
                    "PRIVMSG",
                    f"nick{number % 50}!user@host",
                    f"#c{number % _CHANNELS}",
                    f"line {number} " + " ".join(chance.choices(_WORDS, k=10)),
                    f"1-{number:x}",
                )
                for number in range(first, min(first + _BATCH, count))
            ]
            file.connection.execute("BEGIN IMMEDIATE")
            with file.connection:
                add_messages(file.connection, rows)
        write_changes(file.connection, _private_messages(count))


def _private_messages(first: int) -> Iterator[Change]:
    """Private conversations of the account with some nicks."""
    for number in range(_CONVERSATIONS):
        other = f"friend{number}"
        name = conversation_name(_ACCOUNT, f"~{other}")
        yield AddParty(name, _ACCOUNT, f"~{other}", other)
        for line in range(_LINES_OF_CONVERSATION):
            position = first + number * _LINES_OF_CONVERSATION + line + 1
            time_ms = _NOON_MS + 1000 * position
            yield AddMessage(
                *(name, position, time_ms, False, "PRIVMSG", f"{other}!user@host", _ACCOUNT),
                *(f"private {line}", f"1-{position:x}"),
            )


def measure(path: Path, requests: int, rate: float) -> Iterator[str]:
    """Ask for history and search, while other members talk and one sends PINGs."""
    chance = random.Random(2)
    with _served(path) as worker:
        reader = _Client(worker, "reader", "draft/chathistory batch")
        listeners = [_Client(worker, f"other{number}") for number in range(10)]
        with _talking(worker, rate), _pinging(worker) as waits:
            histories, searches = [], []
            time.sleep(_QUIET_S)
            quiet = len(waits)
            for number in range(requests):
                at = _NOON_MS / 1000 + chance.randrange(1_000_000)
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
                query = f"BEFORE #c{number % 3} timestamp={stamp}.000Z 100"
                histories.append(reader.time(f"CHATHISTORY {query}", "BATCH -"))
                time.sleep(0.005)
            alone = len(waits)
            for _ in range(max(20, requests // 5)):
                words = " ".join(chance.choices(_WORDS, k=chance.choice((1, 1, 2))))
                text = chance.choice((words, "line", f"line {words.split()[0]}"))
                searches.append(
                    reader.time(f"SEARCH text={text.replace(' ', chr(92) + 's')}", "BATCH -")
                )
                time.sleep(0.02)
        yield _row("CHATHISTORY BEFORE ... 100", histories)
        yield _row("SEARCH", searches)
        yield _row("PING before all requests", waits[:quiet])
        yield _row("PING beside CHATHISTORY", waits[quiet:alone])
        yield _row("PING beside SEARCH", waits[alone:])
        del listeners


def measure_together(path: Path, requests: int, rate: float) -> Iterator[str]:
    """Ask for history with ten clients of one account, each one as soon as it has its answer."""
    results: dict[str, list[float]] = {}
    with _served(path) as worker:
        clients = [
            _Client(worker, f"reader{number}", "sasl draft/chathistory batch", login=True)
            for number in range(_TOGETHER)
        ]
        with _talking(worker, rate), _pinging(worker) as waits:
            threads = [
                threading.Thread(target=_ask_variously, args=(client, number, requests, results))
                for number, client in enumerate(clients)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    for what, seconds in results.items():
        yield _row(f"ten at once: {what}", seconds)
    yield _row("PING beside ten", waits)


def _ask_variously(
    client: _Client, seed: int, requests: int, results: dict[str, list[float]]
) -> None:
    chance = random.Random(seed)
    for _ in range(requests):
        at = _NOON_MS / 1000 + chance.randrange(1_000_000)
        stamp = f"timestamp={time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.000Z"
        what, line = chance.choice(
            (
                ("BEFORE", f"CHATHISTORY BEFORE #c{seed % 3} {stamp} 100"),
                ("AFTER", f"CHATHISTORY AFTER #c{seed % 3} {stamp} 100"),
                ("TARGETS", f"CHATHISTORY TARGETS {stamp} timestamp=2099-01-01T00:00:00.000Z 50"),
                ("private", f"CHATHISTORY LATEST friend{chance.randrange(_CONVERSATIONS)} * 100"),
                ("SEARCH rare", f"SEARCH text={chance.choice(_WORDS)}"),
                ("SEARCH common", "SEARCH text=line"),
            )
        )
        results.setdefault(what, []).append(client.time(line, "BATCH -"))


class _Client:
    """A member of three channels."""

    def __init__(
        self, worker: WorkerUnderTest, nick: str, caps: str = "", *, login: bool = False
    ) -> None:
        self.sock = worker.connect()
        self.sock.settimeout(20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"CAP REQ :{caps}"] if caps else []
        lines += [
            f"NICK {nick}",
            f"USER {nick} 0 * :x",
            *(("AUTHENTICATE PLAIN", f"AUTHENTICATE {_CREDENTIALS}") if login else ()),
            "CAP END",
            "JOIN #c0,#c1,#c2",
            "PING ready",
        ]
        self.request("\r\n".join(lines), "PONG")
        if not caps:
            threading.Thread(target=self._swallow, daemon=True).start()

    def _swallow(self) -> None:
        try:
            while self.sock.recv(1 << 16):
                pass
        except OSError:
            return

    def request(self, line: str, end: str) -> None:
        """Send a line, and read until a line with a text."""
        self.sock.sendall(f"{line}\r\n".encode())
        data, marker = b"", end.encode()
        while marker not in data:
            chunk = self.sock.recv(1 << 16)
            assert chunk, data
            data = data[-100:] + chunk

    def time(self, line: str, end: str) -> float:
        """How many seconds a request takes."""
        began = time.monotonic()
        self.request(line, end)
        return time.monotonic() - began


@contextmanager
def _served(path: Path) -> Iterator[WorkerUnderTest]:
    options = {
        "server_name": "irc.test",
        "history_file": str(path),
        "history_max_lines": 0,
        "history_max_size": 0,
        "flood_rate": 0,
        "max_memory": "1GiB",
        "replay_lines": 0,
        "poller": "epoll",
        "accounts": [{"name": _ACCOUNT, "password": _ACCOUNT}],
    }
    worker = WorkerUnderTest(KIND, options, ("tcp://127.0.0.1:0",))
    try:
        yield worker
    finally:
        worker.close()


def _start_s(path: Path) -> float:
    began = time.monotonic()
    with _served(path) as worker:
        _Client(worker, "first")
        return time.monotonic() - began


@contextmanager
def _talking(worker: WorkerUnderTest, rate: float) -> Iterator[None]:
    speaker = _Client(worker, "speaker")

    def say(number: int) -> None:
        speaker.sock.sendall(f"PRIVMSG #c{number % 3} :something said {number}\r\n".encode())

    with _repeated(say, 1 / rate):
        yield


@contextmanager
def _pinging(worker: WorkerUnderTest) -> Iterator[list[float]]:
    waits: list[float] = []
    pinger = _Client(worker, "pinger", "batch")
    pinger.sock.sendall(b"JOIN 0\r\n")
    with _repeated(lambda _: waits.append(pinger.time("PING x", "PONG irc.test")), 0.003):
        yield waits


@contextmanager
def _repeated(call: Callable[[int], object], period_s: float) -> Iterator[None]:
    done = threading.Event()

    def run() -> None:
        number = 0
        while not done.wait(period_s):
            call(number)
            number += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _row(what: str, seconds: list[float]) -> str:
    ordered = sorted(1000 * value for value in seconds)
    percentile = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"| {what} | {ordered[len(ordered) // 2]:.1f} | {percentile:.1f} | {ordered[-1]:.1f} |"


if __name__ == "__main__":
    main()

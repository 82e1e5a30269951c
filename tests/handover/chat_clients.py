"""Members of a chat: each line of each member arrives once, in the sender's order."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import time
from typing import Final

from tests.handover.client import STUCK_S, Client
from tests.handover.record import Fault, LostError, Record, Spec
from tests.handover.wire import Wire, compare

_CHANNEL: Final = "#lounge"
_ARRIVAL_S: Final = 10.0
_HISTORY: Final = 100
_SPOKEN: Final = (b"PRIVMSG", b"PING", b"PONG", b"CAP", b"BATCH")
_sent: Final[dict[bytes, int]] = {}
"""The number of lines that each member of this process has sent."""


class Member(Client):
    """Sends numbered lines to the channel, and checks the lines of all other members.

    A line ends with its number and the time at which it was sent. Options: `talks` (true), and
    `prefix`, the beginning of the nicks.
    """

    pace_s = 0.5

    def __init__(self, spec: Spec, number: int) -> None:
        super().__init__(spec, number)
        self.nick = f"{self.options.get('prefix', 'm')}{number}".encode()
        self._last: dict[bytes, int] = {}
        self._joined = asyncio.Event()
        self.wire: Wire | None = None

    async def session(self) -> None:
        """Join, then send and receive until the task is cancelled. Raises LostError."""
        self.record.begin()
        async with asyncio.timeout(STUCK_S):
            self.wire = wire = await Wire.connect(self.address)
        self._joined.clear()
        with contextlib.closing(wire):
            await wire.send(self.greeting())
            talking = asyncio.create_task(self._talk(wire))
            try:
                while await wire.receive():
                    await self._take_lines(wire)
                raise LostError(Fault.DROPPED, f"{bytes(wire.received[-200:])!r}")
            finally:
                talking.cancel()
                with contextlib.suppress(asyncio.CancelledError, LostError):
                    await talking

    def greeting(self) -> bytes:
        """The first lines to send."""
        return b"NICK %s\r\nUSER %s 0 * :%s\r\nJOIN %s\r\n" % (*(self.nick,) * 3, _CHANNEL.encode())

    def take(self, line: bytes) -> bytes:
        """Take a line of the server; returns what to send."""
        if b" PRIVMSG " in line and b" :line " in line:
            nick, number, sent_ns = line.rpartition(b" :line ")[2].split()
            self._check(nick, int(number))
            self.record.waited((time.monotonic_ns() - int(sent_ns)) / 1e9)
            self.record.steps += 1
        elif line.startswith(b"PING "):
            return b"PONG " + line[5:] + b"\r\n"
        elif b" 366 " in line:
            self._joined.set()
            self.record.end()
        elif b" 433 " in line:  # the place of a member that was cut off may be kept for it
            return b"NICK %s%d\r\nJOIN %s\r\n" % (self.nick, os.getpid(), _CHANNEL.encode())
        return b""

    async def finish(self) -> None:
        """Wait for the last lines of the others, and count those that do not arrive."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ARRIVAL_S):
                while self._missing():
                    await asyncio.sleep(0.01)
        if missing := self._missing():
            self.record.fail(Fault.LOST, f"last lines: {missing}", sum(missing.values()))

    def _missing(self) -> dict[bytes, int]:
        return {
            nick: count - self._last[nick]
            for nick, count in _sent.items()
            if nick != self.nick and self._last.get(nick, count) < count
        }

    async def _talk(self, wire: Wire) -> None:
        await self._joined.wait()
        await self.rest(self.pace_s * (self.number % 10) / 10)  # members do not talk in step
        while not self.is_ending and self.options.get("talks", True):
            _sent[self.nick] = number = _sent.get(self.nick, 0) + 1
            text = b"line %s %d %d" % (self.nick, number, time.monotonic_ns())
            await wire.send(b"PRIVMSG %s :%s\r\n" % (_CHANNEL.encode(), text))
            await self.rest(self.pace_s)

    async def _take_lines(self, wire: Wire) -> None:
        whole, _, wire.received = wire.received.rpartition(b"\n")
        for line in bytes(whole).split(b"\n"):
            if reply := self.take(line.rstrip(b"\r")):
                await wire.send(reply)

    def _check(self, nick: bytes, number: int) -> None:
        last = self._last.get(nick, number - 1)
        if number > last + 1:
            between = f"{last + 1} to {number - 1}"
            self.record.fail(Fault.LOST, f"{nick!r} {between}", number - last - 1)
        if number <= last:
            self.record.fail(Fault.DOUBLED, f"{nick!r} {number} after {last}")
        self._last[nick] = max(number, last)


class Watcher(Member):
    """A silent member with all capabilities: sees nothing but lines, and each message id once."""

    def __init__(self, spec: Spec, number: int) -> None:
        super().__init__(spec, number)
        self.nick = b"watcher%d" % number
        self.is_watching = False
        self.options = {**self.options, "talks": False}
        self._ids: dict[bytes, bytes] = {}
        self._names: list[bytes] = []
        self._history: list[bytes] = []
        self._history_came = asyncio.Event()

    def greeting(self) -> bytes:
        self._names.clear()
        return b"CAP LS 302\r\n" + super().greeting().partition(b"JOIN")[0]

    def take(self, line: bytes) -> bytes:
        tags, words = _split(line)
        command = words[1] if len(words) > 1 and words[0].startswith(b":") else words[0]
        if command == b"CAP" and b"LS" in words:
            return self._note_capabilities(line)
        if command == b"CAP" and b"NAK" in words:
            self.record.fail(Fault.WRONG, repr(line))
        if command == b"PRIVMSG" and b"batch" in tags:
            self._history.append(tags.get(b"msgid", b""))
            return b""
        if command == b"BATCH" and words[-1].startswith(b"-"):
            self._history_came.set()
        if command == b"PRIVMSG":
            self._note_id(tags, line)
        elif self.is_watching and command not in _SPOKEN and not command.isdigit():
            self.record.fail(Fault.SHOWN, repr(line))
        return super().take(line)

    async def finish(self) -> None:
        """Compare the history of the channel with what arrived: the same ids in the same order."""
        await super().finish()
        if b"draft/chathistory" not in self._names or self.wire is None or self.record.faults:
            return
        self._history.clear()
        self._history_came.clear()  # other batches have ended before
        await self.wire.send(b"CHATHISTORY LATEST %s * %d\r\n" % (_CHANNEL.encode(), _HISTORY))
        async with asyncio.timeout(STUCK_S):
            await self._history_came.wait()
        seen = list(self._ids)[-_HISTORY:]
        if not seen or self._history[-len(seen) :] != seen:
            self.record.fail(Fault.WRONG, f"history {self._history} in place of {seen}")

    def _note_capabilities(self, line: bytes) -> bytes:
        """Take a line of CAP LS; after the last one, request all capabilities, and join."""
        words = _split(line)[1]
        names = words[words.index(b"LS") + 1 :]
        is_last = names[0] != b"*"
        names = names if is_last else names[1:]
        self._names += [name.removeprefix(b":").partition(b"=")[0] for name in names]
        if not is_last:
            return b""
        wanted = [name for name in self._names if name not in (b"sasl", b"sts")]
        requests = [b"CAP REQ :%s\r\n" % name for name in wanted]
        return b"%sCAP END\r\nJOIN %s\r\n" % (b"".join(requests), _CHANNEL.encode())

    def _note_id(self, tags: dict[bytes, bytes], line: bytes) -> None:
        if b"message-tags" not in self._names:
            return
        identity = tags.get(b"msgid", b"")
        if not identity:
            self.record.fail(Fault.WRONG, f"no message id: {line!r}")
        elif identity in self._ids:
            self.record.fail(Fault.DOUBLED, f"message id of {self._ids[identity]!r} and {line!r}")
        self._ids[identity] = line


def _split(line: bytes) -> tuple[dict[bytes, bytes], list[bytes]]:
    """The tags of a line, and its words."""
    if not line.startswith(b"@"):
        return {}, line.split()
    head, _, rest = line[1:].partition(b" ")
    return dict(tag.partition(b"=")[::2] for tag in head.split(b";")), rest.split()


class StagedMember:
    """A registered member of its own; subclasses say what happens before and after the event."""

    receive_buffer = 0

    def __init__(self, spec: Spec, number: int) -> None:
        self.record = Record(f"{spec.name} {number}")
        self.spec, self.number = spec, number
        self.nick = f"{spec.name.replace(' ', '')[:8]}{number}x{id(self) % 9973}".encode()
        self._wires: list[Wire] = []

    @property
    def wire(self) -> Wire:
        """The first connection."""
        return self._wires[0]

    async def connect(self, receive_buffer: int = 0) -> Wire:
        """Open a connection that `close` closes."""
        wire = await Wire.connect(self.spec.address, receive_buffer)
        self._wires.append(wire)
        return wire

    async def register(self, wire: Wire, nick: bytes) -> None:
        """Register, and read everything that the server sends then."""
        await wire.send(b"NICK %s\r\nUSER %s 0 * :x\r\n" % (nick, nick))
        await ping(wire, b"registered")

    def close(self) -> None:
        for wire in self._wires:
            wire.close()
        self._wires.clear()


class SplitLine(StagedMember):
    """Sends the bytes of a line up to one that depends on the number, and later the rest."""

    async def before(self) -> None:
        await self.register(await self.connect(), self.nick)
        self._line = b"PRIVMSG %s :a line that is split\r\n" % self.nick
        self._at = 1 + self.number * (len(self._line) - 1) // self.spec.count
        await self.wire.send(self._line[: self._at])

    async def after(self) -> None:
        await self.wire.send(self._line[self._at :])
        lines = await ping(self.wire, b"after")
        due = self._line.strip()
        received = [line[-len(due) :] for line in lines if b"split" in line]
        if received != [due]:
            raise LostError(Fault.WRONG, f"{received} in place of {due!r}, cut at {self._at}")


class StoppedReader(StagedMember):
    """Does not read while it is sent several hundred KiB; reads all of it after the event."""

    lines = 900

    async def before(self) -> None:
        """Let another connection send the lines; each is acknowledged by its PONG."""
        await self.register(await self.connect(4096), self.nick)
        talker = await self.connect()
        await self.register(talker, b"t" + self.nick)
        for number in range(self.lines):
            await talker.send(b"PRIVMSG %s :%s\r\n" % (self.nick, self._text(number)))
            if number % 10 == 9:
                await ping(talker, b"%d" % number)

    async def after(self) -> None:
        received = [line.rpartition(b" :")[2] for line in await ping(self.wire, b"after")]
        due = [self._text(number) for number in range(self.lines)]
        compare(
            b"\n".join(line for line in received if line.startswith(b"stopped ")), b"\n".join(due)
        )

    def _text(self, number: int) -> bytes:
        return b"stopped %d " % number + b"x" * 400


class HeldBack(StagedMember):
    """Sends more lines at once than flood control lets through; all come back, in order."""

    lines = 28

    async def before(self) -> None:
        await self.register(await self.connect(), self.nick)
        text = b"".join(
            b"PRIVMSG %s :held %d\r\n" % (self.nick, number) for number in range(self.lines)
        )
        await self.wire.send(text)

    async def after(self) -> None:
        lines = [line.rpartition(b" :")[2] for line in await ping(self.wire, b"after")]
        received = b"\n".join(line for line in lines if line.startswith(b"held "))
        compare(received, b"\n".join(b"held %d" % number for number in range(self.lines)))


class SaslAcross(StagedMember):
    """Logs in with SASL, with the event at a point of it that depends on the number.

    Options: `account` and `password`.
    """

    async def before(self) -> None:
        wire = await self.connect()
        options = self.spec.options
        secret = f"\0{options['account']}\0{options['password']}".encode()
        payload = b"AUTHENTICATE %s\r\n" % base64.b64encode(secret)
        self._steps: list[tuple[bytes, bytes]] = [
            (b"CAP REQ :sasl\r\n", b" ACK "),
            (b"NICK %s\r\nUSER x 0 * :x\r\n" % self.nick, b""),
            (b"AUTHENTICATE PLAIN\r\n", b"AUTHENTICATE +"),
            (payload[:17], b""),
            (payload[17:], b" 903 "),
            (b"CAP END\r\n", b" 001 "),
        ]
        for _ in range(1 + self.number % len(self._steps)):
            await self._step(wire)
        if self.number >= len(self._steps) and self._steps:  # a request without its reply
            await wire.send(self._steps[0][0])
            self._steps[0] = (b"", self._steps[0][1])

    async def after(self) -> None:
        while self._steps:
            await self._step(self.wire)
        await ping(self.wire, b"after")

    async def _step(self, wire: Wire) -> None:
        data, reply = self._steps.pop(0)
        await wire.send(data)
        if reply:
            await wire.take_until(reply)
            await wire.take_until(b"\r\n")


async def ping(wire: Wire, token: bytes) -> list[bytes]:
    """Send a PING, and return the lines up to its PONG; answers PINGs of the server.

    A PING before registration is complete is answered afterwards. Raises LostError.
    """
    await wire.send(b"PING :%s\r\n" % token)
    lines: list[bytes] = []
    while True:
        line = (await wire.take_until(b"\n")).strip()
        if line.startswith(b"PING "):
            await wire.send(b"PONG " + line[5:] + b"\r\n")
        elif b" PONG " in line and line.endswith(token):
            return lines
        else:
            lines.append(line)

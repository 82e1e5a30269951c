"""Speaks IRC for a hook: registers, and runs one request after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Final, NamedTuple

from netd.errors import RemoteProtocolError
from netd.listeners.chat.hooks.hook_stream import HookStream
from netd.listeners.chat.hooks.replies import Received, ReplyReader
from netd.listeners.chat.room.capability import WIRE_NAMES, Cap
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.hook import HookReply
from netd.protocols.irc import Message
from netd.runtime.loop import Loop

LABEL: Final = "hook"
"""The label of a request: one is under way at a time."""
_CAPS: Final = (
    *(Cap.BATCH, Cap.ECHO_MESSAGE, Cap.LABELED_RESPONSE, Cap.MESSAGE_TAGS, Cap.SERVER_TIME),
    *(Cap.ACCOUNT_TAG, Cap.STANDARD_REPLIES, Cap.SASL, Cap.CHATHISTORY, Cap.MULTILINE),
    Cap.NO_IMPLICIT_NAMES,
)
_MAX_NICKS: Final = 4  # the configured one, and similar ones
_REFUSED_NICK: Final = frozenset(
    numeric.code
    for numeric in (Numeric.NICKNAMEINUSE, Numeric.ERRONEUSNICKNAME, Numeric.UNAVAILRESOURCE)
)
_RETRY_S: Final = 2
_STUCK_S: Final = 60.0
_MAX_REASON_CHARS: Final = 200

Steps = Generator[list[bytes], list[Message], HookReply]
"""Yields the lines to send, the last one with LABEL, and gets the reply; returns the outcome."""


class Job(NamedTuple):
    """A request that waits, or is under way."""

    steps: Steps
    is_wanted: Callable[[], bool]
    """Whether a client still awaits the outcome; called before the first step."""
    on_reply: Callable[[HookReply | None], object]
    """Gets the outcome; None if the request is to be repeated."""


class HookClient:
    """The client's side of a hook, from its registration until its stream is closed."""

    def __init__(
        self,
        loop: Loop,
        nick: str,
        make_stream: Callable[[Callable[[bytes], object], Callable[[str], object]], HookStream],
        on_message: Callable[[Message], object],
        on_lost: Callable[[HookClient], object],
    ) -> None:
        """`on_message` gets messages that are no reply, and the hook's own."""
        self.nick = nick
        self._on_message = on_message
        self._notify_lost = on_lost
        self._reader = ReplyReader()
        self._loop = loop
        self._jobs: deque[Job] = deque()
        self._current: Job | None = None
        self._is_ready = False
        self.is_heard = False
        """Whether `on_message` is of use; if not, lines of other members are not parsed."""
        self._nicks_tried = 1
        self._reason = "the chat does not let it in"
        self._stepped_at = loop.now
        self._stream = make_stream(self._on_lines, self._on_lost)
        self._register()

    @property
    def waiting(self) -> int:
        """The requests without an outcome."""
        return len(self._jobs) + (self._current is not None)

    def run(self, job: Job) -> None:
        """Run a request after those that wait."""
        self._jobs.append(job)
        self._run_next()

    def quit(self, reason: str) -> None:
        """Leave the room."""
        self._send([_line("QUIT", f":{reason}")])

    def check(self) -> None:
        """Leave the room if there is no reply for a long time, as without an engine."""
        is_waiting = self._current is not None or not self._is_ready
        if is_waiting and self._loop.now - self._stepped_at > _STUCK_S:
            self._stream.close("no reply")

    def _register(self) -> None:
        self._send(
            [
                _line("CAP", "REQ", f":{' '.join(WIRE_NAMES[cap] for cap in _CAPS)}"),
                _line("NICK", self.nick),
                _line("USER", "hook", "0", "*", ":posts for scripts"),
                _line("AUTHENTICATE", "EXTERNAL"),
                _line("AUTHENTICATE", "+"),
                _line("CAP", "END"),
            ]
        )

    def _send(self, lines: list[bytes]) -> None:
        self._stream.receive(b"".join(lines))

    def _on_lines(self, data: bytes) -> None:
        is_idle = self._is_ready and self._current is None and not self.is_heard
        if is_idle and not (b"PING " in data or b"ERROR " in data):
            return
        for line in data.split(b"\r\n"):
            try:
                received = self._reader.receive(line) if line else None
            except RemoteProtocolError:  # a line that is longer than a client's may be
                continue
            if received is not None:
                self._on_received(received)

    def _on_received(self, received: Received) -> None:
        for message in () if received.is_history else received.messages:
            self._handle(message)
        if received.label == LABEL and self._current is not None:
            self._step(self._current, received.messages)

    def _handle(self, message: Message) -> None:
        match message.command:
            case "PING":
                self._send([_line("PONG", f":{message.params[-1]}")])
            case "001":
                self._is_ready = True
                self._send([_line("MODE", message.params[0], "+B")])
                self._run_next()
            case "ERROR":
                self._reason = message.params[-1][:_MAX_REASON_CHARS]
            case "PRIVMSG" | "NOTICE":
                self._on_message(message)
            case refused if refused in _REFUSED_NICK and not self._is_ready:
                self._take_other_nick(message.params[-1])

    def _take_other_nick(self, reason: str) -> None:
        if self._nicks_tried < _MAX_NICKS:
            self._send([_line("NICK", self.nick + "_" * self._nicks_tried)])
            self._nicks_tried += 1
        else:
            self._reason = f"the nick {self.nick} cannot be used: {reason}"
            self.quit("no nick")

    def _run_next(self) -> None:
        while self._is_ready and self._current is None and self._jobs:
            job = self._jobs.popleft()
            if job.is_wanted():
                self._current = job
                self._step(job, None)
            else:
                job.on_reply(None)

    def _step(self, job: Job, reply: list[Message] | None) -> None:
        self._stepped_at = self._loop.now
        try:
            lines = next(job.steps) if reply is None else job.steps.send(reply)
        except StopIteration as end:
            self._current = None
            job.on_reply(end.value)
            self._run_next()
        else:
            self._send(lines)

    def _on_lost(self, _reason: str) -> None:
        reply = None if self._is_ready else HookReply(503, self._reason, _RETRY_S)
        self._is_ready = False
        jobs = [*([self._current] if self._current else ()), *self._jobs]
        self._current = None
        self._jobs.clear()
        self._notify_lost(self)
        for job in jobs:
            job.steps.close()
            job.on_reply(reply)


def _line(*words: str) -> bytes:
    return f"{' '.join(words)}\r\n".encode()

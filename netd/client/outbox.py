"""Messages of ours on their way: queued, sent politely, confirmed, kept through a break.

Pure; `now` is passed in, in seconds of any steady clock. At most WINDOW messages are
unconfirmed at a time, so a server that slows a fast sender down slows us before its patience
ends, and a token bucket keeps below what servers call a flood.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netd.client.event import Delivered, Effect, Manner, Undelivered

WINDOW: Final = 5
MAX_WAITING: Final = 1000
_PING: Final = "netd-chat-"


@dataclass(slots=True)
class Outgoing:
    """One message of ours; `number` is its place among all that were put on the wire."""

    target: str
    text: str
    manner: Manner = Manner.TEXT
    number: int = 0
    times_sent: int = 0

    @property
    def command(self) -> str:
        """The IRC command that carries it."""
        return "NOTICE" if self.manner is Manner.NOTICE else "PRIVMSG"

    @property
    def ping(self) -> str:
        """The token of the PING that asks whether the server has seen it."""
        return f"{_PING}{self.number}"

    @property
    def payload(self) -> str:
        """The text as it goes over the wire (CTCP for an action)."""
        return f"\x01ACTION {self.text}\x01" if self.manner is Manner.ACTION else self.text


class Outbox:
    """Takes messages in, gives lines to send, and says what became of each."""

    def __init__(self, burst: int, lines_per_s: float, fold: Callable[[str], str]) -> None:
        self._fold = fold
        self._burst, self._lines_per_s = burst, lines_per_s
        self._tokens, self._counted_at = float(burst), 0.0
        self._waiting: deque[Outgoing] = deque()
        self._sent: deque[Outgoing] = deque()
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent)

    @property
    def is_full(self) -> bool:
        """True while it takes nothing more."""
        return len(self._waiting) >= MAX_WAITING

    def put(self, *parts: Outgoing) -> bool:
        """Queue a text, whole; False where there is no room for it."""
        if self.is_full:
            return False
        self._waiting.extend(parts)
        return True

    def due(self, now: float, is_open: Callable[[str], bool]) -> list[Outgoing]:
        """The messages to send at this moment; `is_open` says which targets can be spoken to."""
        earned = (now - self._counted_at) * self._lines_per_s
        self._tokens, self._counted_at = min(float(self._burst), self._tokens + earned), now
        released: list[Outgoing] = []
        for outgoing in list(self._waiting):
            if not self._may_send():
                break
            if not is_open(outgoing.target):
                continue  # it keeps no message to another target waiting
            self._waiting.remove(outgoing)
            self._tokens -= 1
            self._numbers += 1
            outgoing.number = self._numbers
            outgoing.times_sent += 1
            self._sent.append(outgoing)
            released.append(outgoing)
        return released

    def delay_s(self) -> float | None:
        """How long until `due` may have more; None where something must come in first."""
        if not self._waiting or len(self._sent) >= WINDOW or self._tokens >= 1:
            return None
        return (1 - self._tokens) / self._lines_per_s

    def _may_send(self) -> bool:
        return self._tokens >= 1 and len(self._sent) < WINDOW

    @property
    def last_ping(self) -> str:
        """The token of the PING that would confirm all that is under way; empty if nothing is."""
        return self._sent[-1].ping if self._sent else ""

    def on_echo(self, target: str) -> list[Effect]:
        """The server showed us a message of ours."""
        for outgoing in self._sent:
            if self._fold(outgoing.target) == self._fold(target):
                return self._settle(outgoing)
        return []

    def on_pong(self, token: str) -> list[Effect]:
        """The server has seen all that was sent before this PING."""
        number = token.removeprefix(_PING)
        if number == token or not number.isdecimal():
            return []
        done = [each for each in self._sent if each.number <= int(number)]
        return [effect for each in done for effect in self._settle(each)]

    def on_refusal(self, target: str, why: str) -> list[Effect]:
        """The server would not take the oldest message to `target`; [] if none is under way."""
        for outgoing in self._sent:
            if self._fold(outgoing.target) == self._fold(target):
                self._sent.remove(outgoing)
                return [Undelivered(outgoing.target, outgoing.text, why)]
        return []

    def drop(self, target: str, why: str) -> list[Effect]:
        """Nothing can be said to `target`: give up what waits for it."""
        dropped = [each for each in self._waiting if self._fold(each.target) == self._fold(target)]
        for each in dropped:
            self._waiting.remove(each)
        return [Undelivered(each.target, each.text, why) for each in dropped]

    def rewind(self) -> None:
        """The connection broke: what was not confirmed waits again, in its order."""
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()

    def _settle(self, outgoing: Outgoing) -> list[Effect]:
        self._sent.remove(outgoing)
        return [Delivered(outgoing.target, outgoing.text)]

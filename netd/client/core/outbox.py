"""The user's messages until the server has confirmed them: queued, paced, kept on a reconnect.

At most WINDOW messages are unconfirmed at a time, so the receive queue of a server that throttles
this client cannot overflow. A token bucket keeps the rate below the flood limits of common
servers. Times are in seconds of any monotonic clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from netd.client.core.chat_events import Delivered, Effect, Undelivered
from netd.client.core.outgoing import PING_PREFIX, OutgoingMessage
from netd.protocols.token_bucket import TokenBucket

WINDOW: Final = 5
MAX_WAITING: Final = 1000


class Outbox:
    """Takes messages, releases those to send, and reports the outcome of each message."""

    def __init__(self, burst: int, lines_per_s: float, fold: Callable[[str], str]) -> None:
        self._fold = fold
        self._burst, self._lines_per_s = burst, lines_per_s
        self._bucket = TokenBucket(0.0, burst)
        self._waiting: deque[OutgoingMessage] = deque()
        self._unconfirmed: deque[OutgoingMessage] = deque()
        self._released = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._unconfirmed)

    @property
    def is_full(self) -> bool:
        """Whether `put` refuses messages."""
        return len(self._waiting) >= MAX_WAITING

    @property
    def last_ping_token(self) -> str:
        """The PING token that would confirm every sent message; empty if none is unconfirmed."""
        return self._unconfirmed[-1].ping_token if self._unconfirmed else ""

    def put(self, *parts: OutgoingMessage) -> bool:
        """Queue all parts of a text; return False if the outbox is full."""
        if self.is_full:
            return False
        self._waiting.extend(parts)
        return True

    def due(self, now: float, can_send: Callable[[str], bool]) -> list[OutgoingMessage]:
        """Release the messages to send now; those to an unavailable target stay in the queue."""
        self._bucket.refill(now, self._lines_per_s, self._burst)
        released: list[OutgoingMessage] = []
        for message in list(self._waiting):
            if len(self._unconfirmed) >= WINDOW:
                break
            if not can_send(message.target):
                continue
            if not self._bucket.take(now, self._lines_per_s, self._burst):
                break
            self._bucket.charge(message.cost - 1)
            self._release(message)
            released.append(message)
        return released

    def _release(self, message: OutgoingMessage) -> None:
        self._released += 1
        message.number = self._released
        message.times_sent += 1
        self._waiting.remove(message)
        self._unconfirmed.append(message)

    def delay_s(self) -> float | None:
        """Return the time until `due` may release more; None if a confirmation is awaited."""
        if not self._waiting or len(self._unconfirmed) >= WINDOW:
            return None
        return self._bucket.wait_s(self._lines_per_s) or None

    def on_echo(self, target: str, text: str, *, has_labels: bool = False) -> list[Effect]:
        """Confirm a message that the server has echoed without a label.

        Where the server has no labels, the oldest message to `target` is meant if none has this
        text, since servers may change texts; where it has, such an echo may come from another
        client of the user.
        """
        message = self._unconfirmed_with(target, text)
        if message is None and not has_labels:
            message = self._oldest_unconfirmed(target)
        return [self._confirm(message)] if message else self.on_seen(target, text)

    def on_label(self, label: str) -> list[Effect]:
        """Confirm the message that was sent with a label."""
        message = self._labeled(label)
        return [self._confirm(message)] if message else []

    def on_labeled_refusal(self, label: str, why: str) -> list[Effect]:
        """Give up the message that was sent with a label."""
        message = self._labeled(label)
        if message is None:
            return []
        self._unconfirmed.remove(message)
        return [_undelivered(message, why)]

    def on_seen(self, target: str, text: str) -> list[Effect]:
        """Confirm a message that an earlier connection sent, and that has reached the server."""
        folded = self._fold(target)
        for message in self._waiting:
            if not message.times_sent:
                break  # those that were sent are first
            if self._fold(message.target) == folded and message.text == text:
                self._waiting.remove(message)
                return [Delivered(message.target, message.text)]
        return []

    def on_pong(self, token: str) -> list[Effect]:
        """Confirm every message sent before the PING with this token."""
        number = token.removeprefix(PING_PREFIX)
        if number == token or not number.isdecimal():
            return []
        seen = [message for message in self._unconfirmed if message.number <= int(number)]
        return [self._confirm(message) for message in seen]

    def on_refusal(self, target: str, why: str) -> list[Effect]:
        """Give up the oldest unconfirmed message to `target`; return [] if there is none."""
        message = self._oldest_unconfirmed(target)
        if message is None:
            return []
        self._unconfirmed.remove(message)
        return [_undelivered(message, why)]

    def drop(self, target: str, why: str) -> list[Effect]:
        """Give up every message that waits for `target`."""
        dropped = [m for m in self._waiting if self._fold(m.target) == self._fold(target)]
        for message in dropped:
            self._waiting.remove(message)
        return [_undelivered(message, why) for message in dropped]

    def abandon(self, why: str) -> list[Effect]:
        """Give up every message, sent or not."""
        self.requeue()
        abandoned = [_undelivered(message, why) for message in self._waiting]
        self._waiting.clear()
        return abandoned

    def cancel(self, target: str | None = None) -> int:
        """Drop the messages that are not sent yet, to one target or to all; return their lines."""
        dropped = self.waiting(target)
        for message in dropped:
            self._waiting.remove(message)
        return sum(message.line_count for message in dropped)

    def waiting(self, target: str | None = None) -> list[OutgoingMessage]:
        """Return the messages that are not sent yet, to one target or to all."""
        if target is None:
            return list(self._waiting)
        folded = self._fold(target)
        return [message for message in self._waiting if self._fold(message.target) == folded]

    def wait_s(self, more: Sequence[OutgoingMessage] = ()) -> float:
        """Estimate the time until the last of the waiting messages, and more, is sent."""
        costs = [message.cost for message in (*self._waiting, *more)]
        return self._bucket.wait_s(self._lines_per_s, sum(costs[:-1]) + 1)

    def waiting_lines(self) -> int:
        """Return the number of lines that are not sent yet."""
        return sum(message.line_count for message in self._waiting)

    def requeue(self) -> None:
        """Put the unconfirmed messages first in the queue again: the connection has ended."""
        self._waiting.extendleft(reversed(self._unconfirmed))
        self._unconfirmed.clear()

    def _oldest_unconfirmed(self, target: str) -> OutgoingMessage | None:
        folded = self._fold(target)
        return next((m for m in self._unconfirmed if self._fold(m.target) == folded), None)

    def _unconfirmed_with(self, target: str, text: str) -> OutgoingMessage | None:
        folded = self._fold(target)
        candidates = (m for m in self._unconfirmed if self._fold(m.target) == folded)
        return next((m for m in candidates if m.text == text), None)

    def _labeled(self, label: str) -> OutgoingMessage | None:
        return next((m for m in self._unconfirmed if m.ping_token == label), None)

    def _confirm(self, message: OutgoingMessage) -> Effect:
        self._unconfirmed.remove(message)
        return Delivered(message.target, message.text)


def _undelivered(message: OutgoingMessage, why: str) -> Effect:
    return Undelivered(message.target, message.text, why)

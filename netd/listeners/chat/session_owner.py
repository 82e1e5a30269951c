"""The part of the server that owns a session, and that the session calls."""

from __future__ import annotations

import enum
from typing import Protocol, TypeVar

from netd.listeners.chat.backlog import Served
from netd.protocols.lines import Line

Session_contra = TypeVar("Session_contra", contravariant=True)


class DisconnectReason(enum.Enum):
    """Why the server ends a session: the text that clients see, and the counter's name."""

    EXCESS_FLOOD = "Excess flood", "excess_flood"
    PING_TIMEOUT = "Ping timeout", "ping_timeout"
    REGISTRATION_TIMEOUT = "Registration timeout", "registration_timeout"
    MEMORY_EXCEEDED = "the server has no memory for your queues", "memory_exceeded"
    SEND_QUEUE_EXCEEDED = "output queue exceeded", "send_queue_exceeded"

    def __init__(self, text: str, counter: str) -> None:
        self.text = text
        self.counter = counter


class SessionOwner(Protocol[Session_contra]):
    """The part of the server that a session calls."""

    def receive(self, session: Session_contra, line: Line) -> None:
        """Handle a line from the client."""

    def resume(self, session: Session_contra) -> None:
        """Send the client the next part of the reply to its last line."""

    def may_bypass(self) -> bool:
        """Whether a line may be handled at once, without waiting for other sessions."""

    def note_bypass(self, work: int) -> None:
        """Count the work of a line that was handled at once."""

    def on_input(self, session: Session_contra) -> None:
        """Call `Session.serve` soon: the client has sent lines, or its end of file."""

    def wake(self, session: Session_contra) -> None:
        """Call `Session.serve` soon: the session no longer waits."""

    def serve_later(self, work: Served) -> None:
        """Call `serve` of a part of a session soon: it has work of its own."""

    def leave(self, session: Session_contra, reason: str) -> None:
        """Remove the client from the room and finish the session: it has disconnected."""

    def suspend_session(self, session: Session_contra, reason: str) -> None:
        """Close a connection that is lost, but keep the client's place if it can return."""

    def disconnect(self, session: Session_contra, reason: DisconnectReason) -> None:
        """Remove the client from the room and finish the session, with an ERROR line."""

    def on_closed(self, session: Session_contra, reason: str) -> None:
        """Forget a session whose connection is closed."""

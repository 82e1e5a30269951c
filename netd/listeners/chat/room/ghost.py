"""A ghost: the place of a client that has lost its connection, and the lines for it.

The room keeps the place for some time. Meanwhile the lost client has all capabilities, so that its
lines are kept in their fullest form; a client that returns gets them in the form that it can read.
"""

from __future__ import annotations

from typing import Final

from netd.listeners.chat.room.capability import Cap, may_see
from netd.listeners.chat.room.member import Client
from netd.protocols.irc import fold

ALL_CAPS: Final = sum(cap.value for cap in Cap if cap is not Cap.MULTILINE)
_END: Final = b"\r\n"
_LOST_TAGS: Final = ("batch", "label")  # they belong to the lost connection
_NO_CAP: Final = 0
_KEPT: Final = {  # commands that are no replies, and the capability that they need
    **dict.fromkeys((b"PRIVMSG", b"NOTICE", b"WALLOPS", b"KICK", b"INVITE"), _NO_CAP),
    **dict.fromkeys((b"JOIN", b"PART", b"QUIT", b"NICK", b"MODE", b"TOPIC"), _NO_CAP),
    **dict.fromkeys((b"730", b"731"), _NO_CAP),  # of MONITOR
    b"TAGMSG": Cap.MESSAGE_TAGS.value,
    b"ACCOUNT": Cap.ACCOUNT_NOTIFY.value,
    b"AWAY": Cap.AWAY_NOTIFY.value,
    b"CHGHOST": Cap.CHGHOST.value,
    b"SETNAME": Cap.SETNAME.value,
    b"REDACT": Cap.MESSAGE_REDACTION.value,
    b"MARKREAD": Cap.READ_MARKER.value,
}
_OWN_CHANGES: Final = (b"JOIN", b"PART", b"QUIT", b"NICK")  # the client is shown their result
_JOIN_WORDS: Final = 3  # source, command, channel; extended-join adds two


class Ghost:
    """The time that a client has to return, and the lines for it, oldest first.

    It has the methods of a stream that the fan-out needs (`Outlet`).
    """

    __slots__ = (
        "_chunks",
        "_limit",
        "_next",
        "claimant",
        "is_arrival",
        "kept_bytes",
        "reason",
        "until",
    )

    def __init__(self, until: float, reason: str, limit: int) -> None:
        """`reason` is that of the QUIT after the time; `limit` bounds the bytes of the lines."""
        self.until = until
        self.reason = reason
        self.claimant: Client | None = None
        """The client that is taking the place, and is sent the lines."""
        self.is_arrival = False
        """Whether the place was made for the claimant, which joins a member that has others."""
        self.kept_bytes = 0
        self._limit = limit
        self._chunks: list[bytes] = []  # whole lines
        self._next = 0  # the chunk that the claimant gets next

    @property
    def has_overflowed(self) -> bool:
        """Whether more bytes came than may be kept; the lines are then not complete."""
        return self.kept_bytes > self._limit

    def write(self, data: bytes) -> None:
        """Keep some lines."""
        self.kept_bytes += len(data)
        if self.kept_bytes <= self._limit:
            self._chunks.append(data)

    send = write

    def keep_unsent(self, data: bytes) -> None:
        """Keep the lines that the lost connection did not take; they come first."""
        self.kept_bytes += len(data)
        self._chunks[:0] = data.splitlines(keepends=True)  # small chunks: one is read at a time

    def lines(self) -> bytes:
        """All kept lines, to save them."""
        return b"".join(self._chunks)

    def next_missed(self, client: Client) -> bytes | None:
        """Some more of the lines, in the form for a client; None if there are no more for now."""
        if self._next == len(self._chunks):
            return None
        chunk = self._chunks[self._next]
        self._next += 1
        return b"".join(_form_for(client, line) for line in chunk.split(_END) if line)

    def release(self) -> None:
        """Forget the claimant, whose connection was lost too: the next one gets all lines."""
        self.claimant = None
        self._next = 0
        if self.is_arrival:
            self.until = 0.0  # no other client knows of the place


def _form_for(client: Client, line: bytes) -> bytes:
    """A kept line in the form for a client; empty if the client must not get it."""
    tags, _, body = line[1:].partition(b" ") if line.startswith(b"@") else (b"", b"", line)
    words = body.split(b" ")
    source, command, target = (*words, b"", b"")[:_JOIN_WORDS]
    if not source.startswith(b":") or not _is_for(client, source, command, target):
        return b""
    if command == b"JOIN" and not client.has(Cap.EXTENDED_JOIN):
        body = b" ".join(words[:_JOIN_WORDS])
    return _tags_for(client, tags) + body + _END


def _is_for(client: Client, source: bytes, command: bytes, target: bytes) -> bool:
    needed = _KEPT.get(command)
    if needed is None or client.caps & needed != needed:
        return False
    is_own = _fold(source[1:].partition(b"!")[0]) == client.member.folded
    match command:
        case b"MODE":
            return target.startswith(b"#")  # the client is shown its own modes
        case b"INVITE":
            return _fold(target) == client.member.folded or client.has(Cap.INVITE_NOTIFY)
    return not (is_own and command in _OWN_CHANGES)


def _fold(name: bytes) -> str:
    return fold(name.decode(errors="replace"))  # it is cut, if the line is


def _tags_for(client: Client, tags: bytes) -> bytes:
    seen = [
        tag
        for tag in tags.split(b";")
        if (name := tag.partition(b"=")[0].decode(errors="replace"))
        and name not in _LOST_TAGS
        and may_see(client.caps, name)
    ]
    return b"@" + b";".join(seen) + b" " if seen else b""

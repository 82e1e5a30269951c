"""Reads the WebSocket frames of a client (RFC 6455), which wsproto parses.

wsproto gets whole messages only, and is then as if it had never seen one. So the state of a
connection is bytes: those of the message, or the frame, that is not complete. The usual message, a
short one in one frame, is read without it, in a tenth of the time, and so are pings and pongs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from wsproto.frame_protocol import CloseReason, Frame, FrameProtocol, Opcode, ParseFailed

from netd.protocols.irc import MAX_CLIENT_LINE_BYTES
from netd.protocols.record import BYTES, FLAG, Record, list_of
from netd.protocols.websocket import CloseCode

MAX_MESSAGE_BYTES: Final = 8192
"""The maximum length of a message. A line that is too long for IRC, but not for this, gets the
reply of IRC."""
_MAX_FRAGMENTS: Final = 256
_FRAMES_AT_ONCE: Final = 16
"""At most 0.2 ms for messages of some hundred bytes, which wsproto parses; 0.03 ms for short ones.
A message of 256 fragments takes 2 ms at its end."""

_BINARY_FRAME: Final = 0x82
_USUAL: Final = frozenset({0x81, _BINARY_FRAME})  # a text or a binary message in one frame
_PING_FRAME: Final = 0x89
_PONG_FRAME: Final = 0x8A
_SHORT_MASKED: Final = range(0x80, 0x80 + 126)  # second bytes of frames with a mask
_FINAL: Final = 0x80
_CONTROL: Final = 0x08
_MASKED: Final = 0x80
_LENGTH: Final = 0x7F
_MAX_SHORT: Final = 125
_TWO_BYTES: Final = 126  # the length that means two bytes of length
_MASK_BYTES: Final = 4
_TOO_BIG: Final = "the message is too long"

assert MAX_MESSAGE_BYTES > MAX_CLIENT_LINE_BYTES


@dataclass(frozen=True, slots=True)
class Ping:
    """The client requests a pong with this payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The client replies to a ping, or shows unasked that it is there."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of what is read from the client.

    `code` is that of the close frame to send; with a `fault` the client has violated the protocol
    or a limit.
    """

    code: CloseCode
    fault: str = ""


Event = bytes | Ping | Pong | Closed
"""A message is its bytes; those of a text are valid UTF-8."""


class FrameReader:
    """Splits the bytes of one client into messages; after `Closed` it ignores all bytes."""

    __slots__ = ("_fragments", "_is_closed", "_unread")

    def __init__(self) -> None:
        self._unread = b""  # whole frames for the next call, and a part of a frame
        self._fragments: list[bytes] = []  # whole frames of a message that is not complete
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """True once `Closed` was returned."""
        return self._is_closed

    @property
    def held_bytes(self) -> int:
        """The number of buffered bytes."""
        return len(self._unread) + sum(map(len, self._fragments))

    def save(self) -> dict[str, Any]:
        """The reader as plain data, for `READER.load_into`."""
        return READER.save(self)

    def receive(self, data: bytes) -> tuple[list[Event], bool]:
        """Return the events that the bytes complete, and whether there are more.

        Then `receive(b"")` returns the next ones; between two calls others can be served.
        """
        events: list[Event] = []
        if self._is_closed:
            return events, False
        data = self._unread + data if self._unread else data
        start = frames = 0
        try:
            while frames < _FRAMES_AT_ONCE and (end := _end_of_frame(data, start)):
                event = self._read(data[start:end])
                start, frames = end, frames + 1
                if event is not None:
                    events.append(event)
                if isinstance(event, Closed):
                    return self._close(events)
        except ParseFailed as error:
            events.append(Closed(CloseCode(error.code.value), str(error)))
            return self._close(events)
        self._unread = data[start:]
        return events, frames == _FRAMES_AT_ONCE

    def _read(self, frame: bytes) -> Event | None:
        """Read a whole frame; returns None if its message has more frames."""
        if frame[0] in _USUAL and frame[1] in _SHORT_MASKED and not self._fragments:
            message = _unmask(frame)
            if frame[0] == _BINARY_FRAME or message.isascii() or _is_utf8(message):
                return message
        if frame[0] in (_PING_FRAME, _PONG_FRAME) and frame[1] in _SHORT_MASKED:
            return Ping(_unmask(frame)) if frame[0] == _PING_FRAME else Pong()
        if frame[0] & _CONTROL:
            return _event_of(_PARSER.parse(frame))
        if self._fragments:
            return self._join(frame)
        if frame[0] & _FINAL:
            return _message_of(_PARSER.parse(frame))
        self._fragments.append(frame)
        return None

    def _join(self, frame: bytes) -> Event | None:
        self._fragments.append(frame)
        if len(self._fragments) > _MAX_FRAGMENTS:
            raise ParseFailed("too many fragments", CloseReason.POLICY_VIOLATION)
        if sum(map(len, self._fragments)) > MAX_MESSAGE_BYTES + _MAX_FRAGMENTS * _MASK_BYTES:
            raise ParseFailed(_TOO_BIG, CloseReason.MESSAGE_TOO_BIG)
        if not frame[0] & _FINAL:
            return None
        frames = b"".join(self._fragments)
        self._fragments.clear()
        return _message_of(_PARSER.parse(frames))

    def close(self) -> None:
        """Ignore all bytes from now on, also those that were received already."""
        self._is_closed = True
        self._unread = b""
        self._fragments.clear()

    def _close(self, events: list[Event]) -> tuple[list[Event], bool]:
        self.close()
        return events, False


READER: Final = Record(
    FrameReader, {"_unread": BYTES, "_fragments": list_of(BYTES), "_is_closed": FLAG}, {}
)
"""A saved FrameReader: the bytes of what is not complete."""


def _end_of_frame(data: bytes, start: int) -> int:
    """The end of the frame at `start`; 0 if it has not arrived whole. Raises ParseFailed."""
    head = start + 2
    if len(data) < head:
        return 0
    length = data[start + 1] & _LENGTH
    if length > _MAX_SHORT:
        wide = 2 if length == _TWO_BYTES else 8
        length = int.from_bytes(data[head : head + wide], "big")
        head += wide
    if data[start + 1] & _MASKED:
        head += _MASK_BYTES
    if len(data) < head:
        return 0
    if length > MAX_MESSAGE_BYTES:
        _Parser().parse(data[start:head])  # a head that is not valid is the graver fault
        raise ParseFailed(_TOO_BIG, CloseReason.MESSAGE_TOO_BIG)
    end = head + length
    return end if len(data) >= end else 0


def _unmask(frame: bytes) -> bytes:
    """The payload of a short frame (section 5.3)."""
    size = frame[1] & _LENGTH
    mask = (frame[2:6] * (size // _MASK_BYTES + 1))[:size]
    payload = int.from_bytes(frame[6:], "big") ^ int.from_bytes(mask, "big")
    return payload.to_bytes(size, "big")


def _is_utf8(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


def _message_of(frames: list[Frame]) -> bytes:
    payloads = [frame.payload for frame in frames]
    if isinstance(payloads[0], str):
        return "".join(map(str, payloads)).encode()
    return b"".join([payload for payload in payloads if isinstance(payload, bytes | bytearray)])


def _event_of(frames: list[Frame]) -> Event:
    frame = frames[0]
    if frame.opcode is Opcode.PING and isinstance(frame.payload, bytes | bytearray):
        return Ping(bytes(frame.payload))  # wsproto 1.2 has a bytearray if it is empty
    return Closed(CloseCode.NORMAL) if frame.opcode is Opcode.CLOSE else Pong()


class _Parser:
    """Parses whole messages and control frames, of all connections: it keeps no state between."""

    __slots__ = ("_protocol",)

    def __init__(self) -> None:
        self._protocol = FrameProtocol(client=False, extensions=[])

    def parse(self, frames: bytes) -> list[Frame]:
        """Parse frames. Raises ParseFailed."""
        self._protocol.receive_bytes(frames)
        parsed: list[Frame] = []
        try:
            parsed += self._protocol.received_frames()
        finally:
            if not parsed or not parsed[-1].message_finished or parsed[-1].opcode is Opcode.CLOSE:
                self._protocol = FrameProtocol(client=False, extensions=[])  # it has ended
        return parsed


_PARSER: Final = _Parser()

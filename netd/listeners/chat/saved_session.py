"""Sessions as plain data: what a client has sent and is still to be sent, and its time limits.

Its client is saved with the room. A session under TLS cannot be saved: it has state in OpenSSL.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from netd.listeners.chat.peer_facts import WebClient
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.effect import Verify
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.saved_member import Members, client_at
from netd.listeners.chat.session import Session
from netd.protocols.host_port import source_of
from netd.protocols.irc import MAX_CLIENT_LINE_BYTES
from netd.protocols.lines import FRAMER, LINE, LineFramer
from netd.protocols.record import (
    BYTES,
    FLAG,
    NUMBER,
    TEXT,
    Field,
    Record,
    list_of,
    load_flag,
    load_integer,
    load_list,
    load_mapping,
    load_text,
    optional,
    save_all,
    tuple_of,
)
from netd.protocols.token_bucket import BUCKET, TokenBucket
from netd.protocols.websocket import SUBPROTOCOLS, Opcode
from netd.runtime.stream import Stream, StreamState

if TYPE_CHECKING:  # wsproto, only for WebSockets
    from netd.listeners.chat.websocket_stream import WebSocketStream
    from netd.protocols.websocket_reader import FrameReader


def _load_host(data: object) -> str:
    host = load_text(data)
    source_of(host)
    return host


SESSION: Final = Record(
    Session,
    {
        "_framer": FRAMER.as_field(lambda: LineFramer(MAX_CLIENT_LINE_BYTES)),
        "_held": Field(lambda data: deque(list_of(LINE).load(data)), partial(save_all, LINE)),
        "_has_ended": FLAG,
        "_is_paused": FLAG,
        "_bucket": BUCKET.as_field(lambda: TokenBucket(0.0, 0.0)),
        "_started_at": NUMBER,
        "_heard_at": NUMBER,
        "_pinged_at": optional(NUMBER),
        "closing_since": optional(NUMBER),
        "host": Field(_load_host),
    },
    {
        "_held_bytes": "counted again",
        "_flood_timer": "set again when the session is served",
        "_loop": "an argument of the constructor",
        "_options": "an argument of the constructor",
        "_owner": "an argument of the constructor",
        "is_queued": "a session that continues is queued in any case",
        "client": "saved with the room",
        "stream": "saved beside the attributes; see STREAM",
        "web": "the stream, if it has a WebSocket",
    },
)
STREAM: Final = Record(
    Stream,
    {},
    {
        **dict.fromkeys(("_unsent", "_reading", "_closing"), "saved as a StreamState"),
        **dict.fromkeys(("_fd", "sock"), "the descriptor travels beside the state"),
        **dict.fromkeys(("_loop", "_on_closed", "_on_data", "_on_end"), "the session's"),
        "_on_drained": "only for a long reply, which is completed before",
        "_is_flush_deferred": "a stream that continues is flushed in any case",
        "_is_paused": "as the session's",
        "_linger": "begins again: the stream is closing",
        "bytes_in": "stays in the totals of the process that received them",
        "bytes_out": "stays in the totals of the process that sent them",
        "has_overflowed": "the stream is then closed",
        "max_unsent_bytes": "an option",
        "unsent_bytes": "counted again",
    },
)
_STREAM_STATE: Final = tuple_of(StreamState, unsent=BYTES, is_reading=FLAG, closing=optional(TEXT))


@dataclass(frozen=True, slots=True)
class SavedCheck:
    """The passwords of a check that was under way, which is repeated."""

    password: str
    stored: str


@dataclass(frozen=True, slots=True)
class SavedWebSocket:
    """A client that speaks WebSocket, and what has arrived of a message that is not complete."""

    client: WebClient
    reader: FrameReader


def _save_web(web: WebSocketStream) -> list[Any]:
    return [web.opcode.name, web.reader.save(), web.is_relayed]


def _load_web(data: object) -> SavedWebSocket:
    from netd.protocols.websocket_reader import READER, FrameReader  # noqa: PLC0415 (wsproto)

    name, saved, is_relayed = load_list(data)
    opcode = Opcode[load_text(name)]
    if opcode not in SUBPROTOCOLS.values():
        raise ValueError(f"not a type of messages: {name}")
    reader = FrameReader()
    READER.load_into(reader, saved)
    return SavedWebSocket(WebClient(opcode, is_relayed=load_flag(is_relayed)), reader)


_WEB: Final = optional(Field(_load_web))
_CHECK: Final = optional(tuple_of(SavedCheck, password=TEXT, stored=TEXT))


@dataclass(frozen=True, slots=True)
class SavedSession:
    """A session that another process has saved, checked: it has no connection yet."""

    client: Client
    descriptor: int
    """The position of its socket's descriptor."""
    check: SavedCheck | None
    awaits_reload: bool
    """Whether the client awaits the outcome of a REHASH."""
    attributes: Mapping[str, Any]
    stream: StreamState
    web: SavedWebSocket | None = None

    @classmethod
    def load(cls, data: object, members: Members) -> Self:
        """Check saved data. Raises ValueError, TypeError or LookupError if it is malformed.

        A session without a client is one that waits until its last bytes are sent.
        """
        saved = load_mapping(data)
        return cls(
            _departed()
            if saved["member"] is None
            else client_at(members, saved["member"], saved.get("client", 0)),
            load_integer(saved["descriptor"]),
            _CHECK.load(saved.get("check")),
            load_flag(saved.get("awaits_reload", False)),
            SESSION.load(saved),
            _STREAM_STATE.load(saved["stream"]),
            _WEB.load(saved.get("websocket")),
        )

    @property
    def host(self) -> str:
        """The client's address; empty on a Unix socket."""
        return str(self.attributes.get("host", ""))

    def unsent_lines(self) -> bytes:
        """The whole lines that the client has not got, if its connection is lost.

        The client may have got the first part of the first line. Those of a WebSocket are not
        known, since the first bytes can be of any part of a frame.
        """
        if self.web is not None:
            return b""
        return self.stream.unsent.partition(b"\n")[2]


def save_session(  # noqa: PLR0913 (what is saved beside the session)
    session: Session,
    *,
    member: int | None,
    place: int,
    descriptor: int,
    check: Verify | None,
    awaits_reload: bool,
) -> dict[str, Any]:
    """A session as plain data, at the end of a turn.

    `member` is the number of its member, and `place` the place of its client among that one's.
    """
    movable, web = session.movable_stream, session.web
    assert movable is not None
    (stream,) = save_all(_STREAM_STATE, [movable.state()])
    return {
        **SESSION.save(session),
        "member": member,
        "client": place,
        "descriptor": descriptor,
        "check": None if check is None or check.work else [check.password, check.stored],
        "awaits_reload": awaits_reload,
        "stream": stream,
        "websocket": None if web is None else _save_web(web),
    }


def _departed() -> Client:
    client = Client("")
    client.state = ClientState.GONE
    client.member.clients = ()
    return client

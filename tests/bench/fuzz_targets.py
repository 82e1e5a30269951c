"""Every parser as a function of bytes that ends, and that raises nothing but a refusal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

from netd.errors import LocalProtocolError, RemoteProtocolError
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.encoded_message import EncodedMessage
from netd.listeners.chat.room.multiline import OpenBatch
from netd.listeners.chat.room.server_ban import (
    ClientFacts,
    ServerBan,
    ServerBans,
    normalize_mask,
    parse_duration,
)
from netd.listeners.http.protocol import grammar
from netd.listeners.http.protocol.condition import Validators, evaluate, range_applies
from netd.listeners.http.protocol.date import parse_date
from netd.listeners.http.protocol.event import End
from netd.listeners.http.protocol.head import RequestLimits
from netd.listeners.http.protocol.negotiation import choose_coding
from netd.listeners.http.protocol.range import UnsatisfiableError, parse_range
from netd.listeners.http.protocol.request_reader import RequestReader
from netd.listeners.http.protocol.target import parse_path
from netd.protocols.irc import Message, parse
from netd.protocols.link import parse_message as parse_link_message
from netd.protocols.password import check_hash
from netd.protocols.proxy import parse_proxy_header
from netd.protocols.scram import format_server_first, parse_client_final, parse_client_first
from tests.http_cases import PARSED, load

_VALIDATORS: Final = Validators(b'"a"', 1_000_000_000)


def requests(data: bytes) -> None:
    """HTTP requests, one after another, in pieces of the size in the first byte."""
    connection = RequestReader(RequestLimits())
    size = max(1, data[:1][0] if data else 1)
    with contextlib.suppress(RemoteProtocolError):
        for start in range(1, len(data), size):
            connection.receive(data[start : start + size])
            while (event := connection.next_event()) is not None:
                if isinstance(event, End):
                    connection.start_next()


def fields(data: bytes) -> None:
    """The fields whose values have a grammar of their own."""
    first, _, second = data.partition(b"\n")
    named = {b"if-none-match": first, b"if-modified-since": second, b"if-range": first}
    evaluate(named, _VALIDATORS, is_read=True)
    range_applies(named, _VALIDATORS)
    parse_date(first.decode("latin-1"))
    assert choose_coding(first, ("br", "gzip")) in ("", "br", "gzip")
    with contextlib.suppress(UnsatisfiableError):
        assert all(count > 0 for _, count in parse_range(first, 1000))


def path(data: bytes) -> None:
    """Paths, of which none may lead upwards."""
    if grammar.ORIGIN_FORM.fullmatch(b"/" + data) is None:
        return  # refused before
    with contextlib.suppress(RemoteProtocolError):
        segments = parse_path((b"/" + data).partition(b"?")[0]).split("/")
        assert ".." not in segments


def proxy_header(data: bytes) -> None:
    """The PROXY protocol."""
    with contextlib.suppress(RemoteProtocolError):
        parse_proxy_header(data)


def irc(data: bytes) -> None:
    """A line of IRC."""
    with contextlib.suppress(RemoteProtocolError):
        parse(data)


def link(data: bytes) -> None:
    """Messages from a worker to the supervisor."""
    with contextlib.suppress(LocalProtocolError):
        parse_link_message(data)


def password(data: bytes) -> None:
    """A stored hash, which is not computed."""
    for prefix in ("$scrypt$", "$scram-sha-256$"):
        with contextlib.suppress(LocalProtocolError):
            check_hash(prefix + data.decode("latin-1"))


def scram(data: bytes) -> None:
    """Both messages of a SCRAM client, one a line; a proof covers what the server has sent."""
    first, _, second = data.decode("utf-8", "replace").partition("\n")
    with contextlib.suppress(RemoteProtocolError):
        message = parse_client_first(first)
        assert message.name
        challenge = format_server_first(message, "server", b"salt", 4096)
        final = parse_client_final(second, message, challenge)
        assert challenge.encode() in final.auth_message


def server_ban(data: bytes) -> None:
    """The mask of a server ban, and a duration."""
    text = data.decode("utf-8", "replace")
    parse_duration(text)
    with contextlib.suppress(ValueError):
        mask = normalize_mask(text)
        assert normalize_mask(mask) == mask
        bans = ServerBans()
        bans.add(ServerBan(mask, "root", 0.0, 0.0, ""))
        bans.find(ClientFacts("192.0.2.1", "abc.ip", "~user", "account"), 1.0)
        assert bans.remove(mask) is not None
        assert not len(bans)


def multiline(data: bytes) -> None:
    """A message of several lines: no client gets a line that is not of the message."""
    begun = OpenBatch("x", "#room")
    for line in data.decode("utf-8", "replace").replace("\r", "").replace("\0", "").split("\n"):
        begun.add(line[1:], is_concat=line[:1] == "c" and len(line) > 1 and bool(begun.parts))
    message = Message("PRIVMSG", ("#room", begun.text), "n!u@h", {"msgid": "id1"})
    for caps in (0, int(Cap.MESSAGE_TAGS), int(Cap.MULTILINE | Cap.BATCH)):
        received = EncodedMessage(message, 1.0).bytes_for(caps).split(b"\r\n")
        assert not received.pop()
        for got in received:
            assert b" PRIVMSG #room " in got or b":n!u@h BATCH " in got
            assert not {b"\r", b"\n"} & {got[i : i + 1] for i in range(len(got))}


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        requests,
        fields,
        path,
        proxy_header,
        irc,
        link,
        password,
        scram,
        server_ban,
        multiline,
    )
}

# What to begin with, where few arbitrary bytes would come past the first line.
SEEDS: Final[dict[str, list[bytes]]] = {
    "requests": [b"\xff" + case for _, case, _ in load(*PARSED)],
    "fields": [
        b'W/"a", "b"\nSun, 06 Nov 1994 08:49:37 GMT',
        *(b"bytes=0-9, -5, 7-\n", b"br;q=0.5, gzip, *;q=0\n"),
    ],
    "proxy_header": [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12),
    ],
    "irc": [b"@a=b;c :nick!user@host PRIVMSG #room,other :a line", b"JOIN #room key"],
    "server_ban": [b"*!~user@192.0.2.0/24", b"a:account", b"1d2h3m", b"u@2001:db8::/32"],
    "multiline": [b" hello\n \nchow is \nceveryone?"],
    "path": [b"a/../b%2e/./c//d?e=f"],
    "password": [b"ln=14,r=8,p=1$c2FsdA$" + b"A" * 43, b"i=4096$c2FsdA" + 2 * (b"$" + b"A" * 43)],
    "scram": [b"n,,n=a=2Cb,r=nonce\nc=biws,r=nonceserver,p=" + b"A" * 43 + b"="],
}

"""Feeds an IrcClient by hand: lines of the server in, effects out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netd.client.core.chat_events import Effect, SendLine
from netd.client.core.client_state import Identity
from netd.client.core.irc_client import IrcClient, Observe
from netd.protocols.irc import format_message, parse


def lines(effects: Sequence[Effect]) -> list[str]:
    """Return the lines to send, as they are on the wire."""
    sent = [effect.message for effect in effects if isinstance(effect, SendLine)]
    return [format_message(message).decode().removesuffix("\r\n") for message in sent]


def events(effects: Sequence[Effect]) -> list[Effect]:
    """Return the events to show."""
    return [effect for effect in effects if not isinstance(effect, SendLine)]


def feed(client: IrcClient, *received: str) -> list[Effect]:
    """Pass lines of the server to the client and return the effects."""
    effects = []
    for line in received:
        message = parse(line.encode())
        assert message is not None, line
        effects += client.receive(message)
    return effects


def welcome(caps: str = "", observe: Observe | None = None, **identity: Any) -> IrcClient:
    """Return a registered client named bob that has joined #lounge with alice."""
    client = IrcClient(Identity(**{"name": "bob", **identity}), observe)
    client.connected()
    if caps:
        feed(client, f"CAP * LS :{caps}", f"CAP * ACK :{caps}")
    feed(client, ":srv 001 bob :Welcome", ":bob!u@h JOIN #lounge")
    feed(client, ":srv 353 bob = #lounge :@alice bob", ":srv 366 bob #lounge :End")
    return client

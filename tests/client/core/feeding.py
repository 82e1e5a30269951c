"""Feeds a session by hand: the server's lines in, effects out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netd.client.core.chat_events import Effect, Send
from netd.client.core.client_state import Identity
from netd.client.core.irc_client import IrcClient
from netd.protocols.irc import format_message, parse


def lines(effects: Sequence[Effect]) -> list[str]:
    """What is to be sent, as it stands on the wire."""
    sent = [each.message for each in effects if isinstance(each, Send)]
    return [format_message(message).decode().removesuffix("\r\n") for message in sent]


def events(effects: Sequence[Effect]) -> list[Effect]:
    """What is to be shown."""
    return [each for each in effects if not isinstance(each, Send)]


def feed(session: IrcClient, *received: str) -> list[Effect]:
    """What a session makes of the server's lines."""
    effects = []
    for each in received:
        message = parse(each.encode())
        assert message is not None, each
        effects += session.receive(message)
    return effects


def welcome(caps: str = "", **identity: Any) -> IrcClient:
    """A session for bob, let in and in #lounge with alice."""
    session = IrcClient(Identity(**{"name": "bob", **identity}))
    session.connected()
    if caps:
        feed(session, f"CAP * LS :{caps}", f"CAP * ACK :{caps}")
    feed(session, ":srv 001 bob :Welcome", ":bob!u@h JOIN #lounge")
    feed(session, ":srv 353 bob = #lounge :@alice bob", ":srv 366 bob #lounge :End")
    return session

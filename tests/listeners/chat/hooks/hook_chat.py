"""A chat worker that gets the requests of scripts as from an HTTP worker."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import Any

from netd.errors import RemoteProtocolError
from netd.protocols.handoff import Handoff, format_handoff
from netd.protocols.hook import (
    HookAction,
    HookLimits,
    HookReply,
    HookRequest,
    format_request,
    parse_reply,
)
from netd.runtime import descriptors
from tests.listeners.chat.web_irc import WebChat
from tests.support import PATIENCE_S, read_all

LIMITS = HookLimits(rate=0.0, burst=1, lines=50, queue=100, streams=2)
POST = HookRequest(HookAction.POST, "#ops", "deploy", LIMITS)


class Events:
    """A client that reads server-sent events."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def next_line(self) -> str:
        return self.file.readline().decode().rstrip("\n")

    def expect(self, text: str) -> dict[str, Any]:
        """Skip to the next event; assert its text, and that its id is that of the message."""
        msgid = ""
        while not (line := self.next_line()).startswith("data: "):
            assert line or not self.is_at_end()
            msgid = line.removeprefix("id: ") if line.startswith("id: ") else msgid
        event: dict[str, Any] = json.loads(line.removeprefix("data: "))
        assert (event["text"], event["id"]) == (text, msgid)
        return event

    def is_at_end(self) -> bool:
        return not self.file.peek(1)

    def close(self) -> None:
        self.file.close()
        self.sock.close()


class HookChat(WebChat):
    """Sends requests, and reads the replies."""

    def send(self, request: HookRequest) -> socket.socket:
        """The socket on which the reply comes."""
        return self.send_raw(format_request(request))

    def send_raw(self, data: bytes) -> socket.socket:
        """Send bytes in place of a request."""
        ours, theirs = socket.socketpair()
        with theirs:
            record = Handoff("", False, "", False, data, is_hook=True)
            descriptors.send(self.entry, format_handoff(record), [theirs.fileno()], PATIENCE_S)
        ours.settimeout(PATIENCE_S)
        return ours

    def ask(self, request: HookRequest) -> HookReply | None:
        """The reply; None if the request is to be repeated."""
        with self.send(request) as sock:
            try:
                return parse_reply(read_all(sock))
            except RemoteProtocolError:
                return None

    def post(self, text: str, **changes: Any) -> str:
        """Post a message that the room takes; return its id."""
        reply = self.ask(replace(POST, text=text, **changes))
        assert reply is not None
        assert (reply.status, reply.reason) == (204, "")
        return reply.message_id

    def read(self, **changes: Any) -> list[dict[str, Any]]:
        reply = self.ask(replace(POST, action=HookAction.READ, **{"count": 100, **changes}))
        assert reply is not None
        assert (reply.status, reply.reason) == (200, "")
        return [json.loads(line) for line in reply.content.splitlines()]

    def texts(self, **changes: Any) -> list[str]:
        return [event["text"] for event in self.read(**changes)]

    def follow(self, **changes: Any) -> Events:
        """A stream whose head was read."""
        events = self.open_stream(**changes)
        assert [events.next_line() for _ in range(3)] == ["HEAD", "retry: 2000", ""]
        return events

    def open_stream(self, **changes: Any) -> Events:
        request = replace(POST, action=HookAction.STREAM, head="HEAD\n", **changes)
        return Events(self.send(request))

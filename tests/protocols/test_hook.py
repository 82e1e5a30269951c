"""Requests of scripts and the replies, as they travel between two workers."""

from __future__ import annotations

import pytest

from netd.errors import LocalProtocolError, RemoteProtocolError
from netd.protocols.hook import (
    HookAction,
    HookLimits,
    HookReply,
    HookRequest,
    format_reply,
    format_request,
    parse_reply,
    parse_request,
)

REQUEST = HookRequest(
    HookAction.POST,
    "#ops",
    "deploy",
    HookLimits(rate=1.5, burst=2, lines=3, queue=4, streams=5),
    text="grüße\n\x02bold\x02 \N{GRINNING FACE}",
    key="k",
    after="1-2",
    count=7,
    head="HTTP/1.1 200 OK\r\n\r\n",
)
REPLY = HookReply(429, "too many", 3, "1-2", b'{"id": 1}\n{"id": 2}\n')


def test_a_request_arrives_as_it_was_sent() -> None:
    assert parse_request(format_request(REQUEST)) == REQUEST


def test_a_reply_arrives_as_it_was_sent() -> None:
    assert parse_reply(format_reply(REPLY)) == REPLY


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"action": "dance", "limits": {}}', b"\xff"])
def test_malformed_requests(data: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        parse_request(data)


def test_a_reply_that_is_cut_off_anywhere() -> None:
    whole = format_reply(REPLY)
    for end in range(len(whole)):
        with pytest.raises(RemoteProtocolError):
            parse_reply(whole[:end])

from __future__ import annotations

import pytest

from netd.errors import RemoteProtocolError
from netd.protocols.control import (
    MAX_REQUEST_BYTES,
    Command,
    Reply,
    format_reply,
    format_request,
    parse_reply,
    parse_request,
)


@pytest.mark.parametrize("command", Command)
def test_a_request_comes_back_the_same(command: Command) -> None:
    assert parse_request(format_request(command)) is command


@pytest.mark.parametrize(
    "line",
    [b"", b"status", b"{}", b"[]", b'{"command":"halt"}', b"\xff\xfe", b"[" * MAX_REQUEST_BYTES],
)
def test_a_wrong_request_is_told_what_is_allowed(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="status, reload"):
        parse_request(line)


def test_a_reply_comes_back_the_same_on_one_line() -> None:
    reply = Reply({"detail": "a\nb"}, "x\ny")
    line = format_reply(reply)
    assert line.count(b"\n") == 1
    assert parse_reply(line) == reply


@pytest.mark.parametrize("line", [b"", b"{}", b'{"body": 3, "error": ""}', b"null"])
def test_a_wrong_reply_is_refused(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="not a reply"):
        parse_reply(line)

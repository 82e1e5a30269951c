from __future__ import annotations

import pytest

from netd.errors import LocalProtocolError
from netd.protocols.link import (
    Configure,
    Drain,
    Failed,
    Heartbeat,
    LinkMessage,
    Ready,
    Reloaded,
    RequestReload,
    RequestStatus,
    Retiring,
    Status,
    format_message,
    parse_message,
)


@pytest.mark.parametrize(
    "message",
    [
        Drain(None, stopping=False),
        Drain(1.5, stopping=True),
        Ready(),
        Heartbeat({"accepted": 3}, {"connections": 1}),
        Failed("no\nroom"),
        Retiring(),
        RequestStatus(),
        RequestReload(),
        Reloaded(ok=False, detail="netd.toml:1: no"),
        Status({"listeners": []}),
    ],
)
def test_a_message_is_one_line_and_parsed_as_it_was_formatted(message: LinkMessage) -> None:
    line = format_message(message)
    assert line.count(b"\n") == 1
    assert parse_message(line.rstrip()) == message


def test_configure_is_parsed_as_it_was_formatted() -> None:
    sent = Configure("web", {"text": "é\n"}, ("tcp://[::]:80",))
    got = parse_message(format_message(sent).rstrip())
    assert isinstance(got, Configure)
    assert (got.listener, got.options, list(got.sockets)) == (
        "web",
        sent.options,
        ["tcp://[::]:80"],
    )


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"{}", b'{"type":"nope"}', b'{"type":"ready","more":1}', b"\xff"]
)
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="not a link message"):
        parse_message(line)

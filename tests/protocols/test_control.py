from __future__ import annotations

import pytest

from netd.errors import RemoteProtocolError
from netd.protocols.control import (
    MAX_REQUEST_BYTES,
    STATUS_FORM,
    ControlCommand,
    Reply,
    format_reply,
    format_request,
    has_form,
    parse_reply,
    parse_request,
)


@pytest.mark.parametrize("command", ControlCommand)
def test_a_request_is_parsed_as_it_was_formatted(command: ControlCommand) -> None:
    assert parse_request(format_request(command)) is command


@pytest.mark.parametrize(
    "line",
    [b"", b"status", b"{}", b"[]", b'{"command":"halt"}', b"\xff\xfe", b"[" * MAX_REQUEST_BYTES],
)
def test_an_invalid_request_gets_the_list_of_commands(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="status, reload"):
        parse_request(line)


def test_a_reply_is_one_line_and_parsed_as_it_was_formatted() -> None:
    reply = Reply({"detail": "a\nb"}, "x\ny")
    line = format_reply(reply)
    assert line.count(b"\n") == 1
    assert parse_reply(line) == reply


@pytest.mark.parametrize("line", [b"", b"{}", b'{"body": 3, "error": ""}', b"null", b"[" * 99999])
def test_an_invalid_reply_is_refused(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="not a reply"):
        parse_reply(line)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (3, int),
        (None, (None, int)),
        ({"a": [1, 2], "more": "x"}, {"a": [int]}),
        ({"a": 1, "b": 2}, {...: int}),
        ({}, {...: int}),
    ],
)
def test_a_value_has_its_form(value: object, form: object) -> None:
    assert has_form(value, form)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("3", int),
        (0, (None, str)),
        ({"a": [1, "2"]}, {"a": [int]}),
        ({"b": 1}, {"a": int}),
        ({"a": 1, "b": "2"}, {...: int}),
        ([1], {...: int}),
        ({}, [int]),
        ({"state": "serving"}, STATUS_FORM),
    ],
)
def test_a_value_of_another_form_is_found(value: object, form: object) -> None:
    assert not has_form(value, form)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.errors import RemoteProtocolError
from netd.protocols.irc import (
    LineTooLongError,
    Message,
    NotUtf8Error,
    fold,
    format_body,
    format_message,
    is_channel,
    is_nick,
    parse,
)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"PING x", Message("PING", ("x",))),
        (b"privmsg #a :hi there", Message("PRIVMSG", ("#a", "hi there"))),
        (b"PRIVMSG #a ::)", Message("PRIVMSG", ("#a", ":)"))),
        (b"PRIVMSG #a :", Message("PRIVMSG", ("#a", ""))),
        (b":bob!b@h  PRIVMSG   a  b ", Message("PRIVMSG", ("a", "b"), "bob!b@h")),
        (b"@a=1;+b PING", Message("PING", (), "", {"a": "1", "+b": ""})),
        (b"@c=x\\:\\s\\\\\\r\\n\\q PING", Message("PING", (), "", {"c": "x; \\\r\nq"})),
        (b"@a=1;;b=2 PING", Message("PING", (), "", {"a": "1", "b": "2"})),
        (b"@a=1;a=2 PING", Message("PING", (), "", {"a": "2"})),
    ],
)  # fmt: skip
def test_a_line_is_parsed(line: bytes, message: Message) -> None:
    assert parse(line) == message


@pytest.mark.parametrize("line", [b"", b"   ", b":only.source", b"@only=tags"])
def test_lines_without_a_message(line: bytes) -> None:
    assert parse(line) is None


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"x" * 511, LineTooLongError),
        (b"@" + b"a" * 4095 + b" PING", LineTooLongError),
        (b"PING \xff", NotUtf8Error),
        (b"PING \0", RemoteProtocolError),
        (b"PING a\rQUIT", RemoteProtocolError),
    ],
)
def test_invalid_lines(line: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse(line)


def test_a_line_of_the_maximum_length_is_accepted() -> None:
    assert parse(b"@" + b"a" * 4094 + b" " + b"x" * 510) is not None


WORD = st.text("abcé~#:1", min_size=1).filter(lambda word: word[0] != ":")


@given(
    st.lists(WORD, max_size=5),
    st.text("ab :é"),
    st.dictionaries(st.sampled_from("abc"), st.text("a; \\\r\n=é", max_size=9)),
)
def test_a_message_is_parsed_as_it_was_formatted(
    words: list[str], last: str, tags: dict[str, str]
) -> None:
    message = Message("CMD", (*words, last), "server", tags)
    assert parse(format_message(message)[:-2]) == message


def test_a_line_is_truncated_to_512_bytes() -> None:
    line = format_body(Message("PRIVMSG", ("#a", "é" * 400)))
    assert len(line) <= 512
    assert line.endswith("é\r\n".encode())


def test_names() -> None:
    assert fold("Alice[É]") == "alice[É]"
    assert is_nick("[a]-1", 9)
    assert not is_nick("-a", 9)
    assert not is_nick("tencharact", 9)
    assert is_channel("#é", 9)
    assert not is_channel("#a,b", 9)

"""How a text becomes the lines of a message."""

from __future__ import annotations

import pytest

from netd.listeners.chat.hooks.post_lines import KEY_TAG, Limits, limits_for, post_lines
from netd.listeners.chat.hooks.replies import ReplyReader
from netd.protocols.irc import MAX_BODY_BYTES, Message, parse

LIMITS = Limits(lines=10, total_bytes=4096, line_bytes=100)


def sent(text: str, limits: Limits = LIMITS) -> list[Message]:
    lines = b"".join(post_lines(text, "#ops", limits, "hook", "k")).split(b"\r\n")
    assert lines.pop() == b""
    return [message for line in lines if (message := parse(line)) is not None]


def joined(text: str, limits: Limits = LIMITS) -> str:
    """The text as a member reads it."""
    reader = ReplyReader()
    for line in b"".join(post_lines(text, "#ops", limits, "hook", "k")).split(b"\r\n"):
        received = reader.receive(line)
        if received is not None:
            assert received.label == "hook"
            [message] = received.messages
            assert message.params[0] == "#ops"
            return message.params[1]
    raise AssertionError("no message")


def test_one_line_is_one_message() -> None:
    [message] = sent("deploy done")
    tags = {"label": "hook", KEY_TAG: "k"}
    assert message == Message("PRIVMSG", ("#ops", "deploy done"), "", tags)


def test_several_lines_are_one_batch() -> None:
    first, *parts, last = sent("one\n\n:three four")
    assert (first.command, first.params) == ("BATCH", ("+post", "draft/multiline", "#ops"))
    assert [part.params[1] for part in parts] == ["one", "", ":three four"]
    assert (last.command, last.params) == ("BATCH", ("-post",))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100,
        "x" * 101,
        "word " * 70 + "end",
        "ü" * 333,
        "a" * 99 + "\N{GRINNING FACE}b",
        "1\n2",
    ],
)
def test_a_long_line_is_joined_again(text: str) -> None:
    assert joined(text) == text
    assert all(len(message.params[-1].encode()) <= 100 for message in sent(text))


@pytest.mark.parametrize("lines", [11, 12, 500])
def test_of_many_lines_the_last_says_how_many_are_missing(lines: int) -> None:
    text = "\n".join(map(str, range(lines)))
    assert joined(text).split("\n") == [*map(str, range(9)), f"… ({lines - 9} more lines)"]


@pytest.mark.parametrize("size", [60, 100, 101, 4096, 20_000])
@pytest.mark.parametrize("line", ["x" * 50 + "\n", "x", "ü" * 70 + " \n"])
def test_the_bytes_of_a_message_are_bounded(line: str, size: int) -> None:
    limits = Limits(lines=1000, total_bytes=size, line_bytes=100)
    text = (line * 400).strip()
    shown = joined(text, limits)
    assert len(shown.encode()) <= size
    assert shown == text or shown.endswith((" more lines)", "(1 more line)"))


def test_a_line_fits_with_the_head_that_members_get() -> None:
    prefix = "deploy!~hook@localhost"
    limits = limits_for(prefix, "#ops", 10, 4096)
    whole = f":{prefix} PRIVMSG #ops :{'x' * limits.line_bytes}"
    assert len(whole) == MAX_BODY_BYTES

"""How a hook reads the lines that the room sends it."""

from __future__ import annotations

import pytest

from netd.errors import RemoteProtocolError
from netd.listeners.chat.hooks.replies import Received, ReplyReader


def read(*lines: str) -> list[Received]:
    reader = ReplyReader()
    return [found for line in lines if (found := reader.receive(line.encode())) is not None]


def test_a_line_without_a_batch() -> None:
    [received] = read("@label=a :s 403 x #y :No such channel")
    assert (received.label, received.messages[0].params[-1]) == ("a", "No such channel")


def test_history_in_a_batch_with_a_message_of_several_lines() -> None:
    [received] = read(
        "@label=a :s BATCH +1 chathistory #ops",
        "@batch=1;msgid=m1 :ann!a@h PRIVMSG #ops :one",
        "@batch=1;msgid=m2 :ann!a@h BATCH +2 draft/multiline #ops",
        "@batch=2 :ann!a@h PRIVMSG #ops :two",
        "@batch=2 :ann!a@h PRIVMSG #ops :lines",
        "@batch=2;draft/multiline-concat :ann!a@h PRIVMSG #ops : joined",
        "@batch=1 :ann!a@h BATCH -2",
        ":s BATCH -1",
    )
    assert (received.label, received.is_history) == ("a", True)
    texts = [(message.tags["msgid"], message.params[1]) for message in received.messages]
    assert texts == [("m1", "one"), ("m2", "two\nlines joined")]


def test_history_in_the_batch_of_a_labeled_response() -> None:
    [received] = read(
        "@label=a :s BATCH +1 labeled-response",
        "@batch=1 :s BATCH +2 chathistory #ops",
        "@batch=2;msgid=m1 :ann!a@h PRIVMSG #ops :one",
        "@batch=1 :s BATCH -2",
        ":s BATCH -1",
    )
    assert (received.label, received.is_history) == ("a", True)


def test_tags_may_be_longer_than_those_of_a_client() -> None:
    [received] = read(f"@+x={'y' * 8000};msgid=m :ann!a@h PRIVMSG #ops :hi")
    assert received.messages[0].tags["msgid"] == "m"


def test_batches_that_are_not_open_and_too_many_of_them() -> None:
    assert read(":s BATCH -9", "", *(f":s BATCH +{number} x" for number in range(1000))) == []


def test_a_line_that_is_none() -> None:
    with pytest.raises(RemoteProtocolError):
        read("PRIVMSG #ops :a\rb")

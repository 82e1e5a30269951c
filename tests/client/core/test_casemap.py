"""Names are compared by the server's CASEMAPPING."""

from __future__ import annotations

import pytest

from netd.client.core.casemap import CaseMapping
from netd.client.core.chat_events import ChatMessage
from tests.client.core.feeding import events, feed, welcome


@pytest.mark.parametrize(
    ("tokens", "same", "different"),
    [
        ([], "A[]\\~ a{}|^", "a b"),
        (["NICKLEN=9", "CASEMAPPING=rfc1459"], "A[]\\~ a{}|^", "a b"),
        (["CASEMAPPING=rfc1459-strict"], "A[]\\ a{}|", "~ ^"),
        (["CASEMAPPING=ascii"], "ABC abc", "[ {"),
        (["CASEMAPPING=precis"], "ABC abc", "[ {"),
    ],
)
def test_the_mappings(tokens: list[str], same: str, different: str) -> None:
    fold = CaseMapping()
    fold.update(tokens)
    assert len({fold(name) for name in same.split()}) == 1
    assert len({fold(name) for name in different.split()}) == 2


@pytest.mark.parametrize(("mapping", "is_heard"), [("rfc1459", False), ("ascii", True)])
def test_an_ignored_nick_is_compared_by_the_servers_mapping(mapping: str, is_heard: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    bob = welcome()
    bob.type("/ignore Mal[ory]")
    feed(bob, f":srv 005 bob CASEMAPPING={mapping} :are supported by this server")
    heard = events(feed(bob, ":mal{ory}!u@h PRIVMSG #lounge :hi"))
    assert any(isinstance(event, ChatMessage) for event in heard) == is_heard


def test_a_channel_in_another_spelling_is_the_joined_one() -> None:
    bob = welcome()
    bob.type("/join #a[b]")
    feed(bob, ":bob!u@h JOIN #A{B}")
    assert "#a[b]" in bob.state.roster
    assert list(bob.state.autojoin) == ["#lounge", "#a{b}"]

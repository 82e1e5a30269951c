"""Names are the same where the server says so."""

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
    assert len({fold(each) for each in same.split()}) == 1
    assert len({fold(each) for each in different.split()}) == 2


@pytest.mark.parametrize(("mapping", "is_heard"), [("rfc1459", False), ("ascii", True)])
def test_who_is_ignored_is_known_by_the_servers_mapping(mapping: str, is_heard: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    bob = welcome()
    bob.type("/ignore Mal[ory]")
    feed(bob, f":srv 005 bob CASEMAPPING={mapping} :are supported by this server")
    heard = events(feed(bob, ":mal{ory}!u@h PRIVMSG #lounge :hi"))
    assert bool([each for each in heard if isinstance(each, ChatMessage)]) == is_heard


def test_a_channel_of_another_spelling_is_the_one_we_wanted() -> None:
    bob = welcome()
    bob.type("/join #a[b]")
    feed(bob, ":bob!u@h JOIN #A{B}")
    assert "#a[b]" in bob.state.roster
    assert list(bob.state.autojoin) == ["#lounge", "#a{b}"]

from __future__ import annotations

from netd.client.core.completion import TabCycle, complete
from netd.client.core.irc_client import IrcClient
from tests.client.core.feeding import feed, welcome


def crowded() -> IrcClient:
    bob = welcome()
    for nick in ("anna", "andy"):
        feed(bob, f":{nick}!u@h JOIN #lounge")
    return bob


def offers(client: IrcClient, text: str) -> list[str]:
    return complete(client.state, text)[1]


def test_the_last_speaker_comes_first_and_the_own_nick_never() -> None:
    bob = crowded()
    assert offers(bob, "") == ["alice: ", "andy: ", "anna: "]
    feed(bob, ":anna!u@h PRIVMSG #lounge :a", ":andy!u@h PRIVMSG #lounge :b")
    assert offers(bob, "A") == ["andy: ", "anna: ", "alice: "]
    assert offers(bob, "hello an") == ["andy ", "anna "]


def test_members_that_left_are_not_offered() -> None:
    bob = crowded()
    feed(bob, ":anna!u@h PRIVMSG #lounge :a", ":anna!u@h QUIT :bye", ":andy!u@h NICK drew")
    assert offers(bob, "a") == ["alice: "]
    assert offers(bob, "d") == ["drew: "]


def test_a_renamed_speaker_keeps_the_place() -> None:
    bob = crowded()
    feed(bob, ":anna!u@h PRIVMSG #lounge :a", ":anna!u@h NICK zoe")
    assert offers(bob, "")[0] == "zoe: "


def test_commands_and_channels() -> None:
    bob = crowded()
    assert offers(bob, "/j") == ["/join "]
    assert offers(bob, "/w") == ["/win ", "/who ", "/whois "]
    assert offers(bob, "/part #L") == ["#lounge "]
    assert complete(bob.state, "/msg al") == ("al", ["alice "])
    assert offers(bob, "nobody-such") == []


def test_tab_again_cycles_through_the_completions() -> None:
    bob = crowded()
    tabs = TabCycle(bob.state)
    text = "hi a"
    seen = [text := tabs.press(text) for _ in range(4)]
    assert seen == ["hi alice ", "hi andy ", "hi anna ", "hi alice "]
    assert tabs.press(text, -1) == "hi anna "


def test_other_typing_starts_again() -> None:
    tabs = TabCycle(crowded().state)
    assert tabs.press("/joi") == "/join "
    assert tabs.press("/join ") == "/join #lounge "
    assert tabs.press("an", -1) == "anna: "
    assert tabs.press("zzz") == "zzz"

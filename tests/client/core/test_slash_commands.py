from __future__ import annotations

import pytest

from netd.client.core.chat_events import Leave, Notice, Refused, Switched, Undelivered
from netd.client.core.slash_commands import COMMANDS
from tests.client.core.feeding import feed, lines, welcome


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("hello", "PRIVMSG #lounge :hello"),
        ("//etc/fstab", "PRIVMSG #lounge :/etc/fstab"),
        ("/me waves", "PRIVMSG #lounge :\x01ACTION waves\x01"),
        ("/msg alice hi there", "PRIVMSG alice :hi there"),
        ("/nick rob", "NICK rob"),
        ("/NICK rob", "NICK rob"),
        ("/who", "NAMES #lounge"),
        ("/who alice", "WHOIS alice"),
        ("/whois alice", "WHOIS alice"),
        ("/join dev", "JOIN #dev"),
        ("/join #dev key", "JOIN #dev key"),
        ("/part", "PART #lounge"),
        ("/part #lounge so long", "PART #lounge :so long"),
        ("/part so long", "PART #lounge :so long"),
        ("/topic", "TOPIC #lounge"),
        ("/topic be kind", "TOPIC #lounge :be kind"),
        ("/away", "AWAY"),
        ("/away at lunch", "AWAY :at lunch"),
        ("/raw MODE #lounge +t", "MODE #lounge +t"),
        ("/oper root secret", "OPER root secret"),
        ("/kline 1d bad!*@* :spam and more", "KLINE 1d bad!*@* :spam and more"),
        ("/kill mallory go away now", "KILL mallory :go away now"),
        ("/ns identify secret", "PRIVMSG NickServ :identify secret"),
    ],
)
def test_typed_lines_become_irc_lines(typed: str, sent: str) -> None:
    bob = welcome()
    effects = [*bob.type(typed), *bob.due(0)]
    assert lines(effects)[0].replace(" :", " ") == sent.replace(" :", " ")


@pytest.mark.parametrize("typed", ["", "   ", "/raw"])
def test_blank_lines_send_nothing(typed: str) -> None:
    bob = welcome()
    assert lines([*bob.type(typed), *bob.due(0)]) == []


def test_quit_leaves_with_its_reason() -> None:
    assert welcome().type("/quit see you") == [Leave("see you")]


@pytest.mark.parametrize("name", [n for n, command in COMMANDS.items() if command.needs_argument])
def test_a_missing_argument_shows_the_usage(name: str) -> None:
    assert welcome().type(f"/{name}") == [Refused(f"usage: /{name} {COMMANDS[name].usage}")]


def test_an_unknown_command_is_not_sent_as_text() -> None:
    bob = welcome()
    assert isinstance(bob.type("/etc/fstab is a file")[0], Refused)
    assert lines(bob.type("/joni #dev")) == ["JONI #dev"], "the server may know it"
    assert bob.due(0) == []
    (refused,) = feed(bob, ":srv 421 bob JONI :Unknown command")
    assert refused == Refused("JONI: Unknown command; /help lists the commands", "421", "JONI")


def test_help_lists_every_command_and_explains_one() -> None:
    lines_of_help = welcome().type("/help")
    assert len(lines_of_help) == len(COMMANDS)
    (one,) = welcome().type("/help /me")
    assert one == Notice("/me TEXT  say what you do")
    assert isinstance(welcome().type("/help nonsense")[0], Refused)


def test_joining_a_channel_makes_it_the_current_one() -> None:
    bob = welcome()
    bob.type("/join #dev")
    feed(bob, ":bob!u@h JOIN #dev")
    bob.type("hi dev")
    assert lines(bob.due(0))[0].startswith("PRIVMSG #dev")
    assert bob.type("/join #lounge") == [Switched("you talk here now", "#lounge")]
    bob.type("hi lounge")
    assert lines(bob.due(1))[0].startswith("PRIVMSG #lounge")


def test_several_channels_are_joined_with_their_keys() -> None:
    bob = welcome()
    assert lines(bob.type("/join a,#b,c k1,k2")) == ["JOIN #a k1", "JOIN #b k2", "JOIN #c"]
    assert bob.state.current == "#c"


def test_a_channel_that_refuses_the_client_does_not_become_current() -> None:
    bob = welcome()
    feed(bob, ":bob!u@h JOIN #lounge")
    bob.type("/join #secret")
    feed(bob, ":srv 473 bob #secret :Cannot join channel (+i)")
    assert bob.state.current == "#lounge"


def test_leaving_a_channel_returns_to_another() -> None:
    bob = welcome()
    bob.type("/join #dev")
    feed(bob, ":bob!u@h JOIN #dev", ":bob!u@h PART #dev")
    assert bob.state.current == "#lounge"


def test_a_private_conversation() -> None:
    bob = welcome()
    bob.type("/msg alice")
    bob.type("psst")
    assert lines(bob.due(0))[0] == "PRIVMSG alice :psst"
    feed(bob, ":alice!u@h NICK al")
    assert bob.state.current == "al"
    assert bob.type("/part") == [Switched("you talk here now", "#lounge")]


def test_text_for_a_channel_that_is_not_joined_is_refused() -> None:
    bob = welcome()
    outside = "you are not in #dev; /join #dev"
    assert bob.type("/msg #dev hi") == [Undelivered("#dev", "hi", outside)]
    bob.type("hello")
    assert lines(bob.due(0))[0] == "PRIVMSG #lounge :hello"


def test_text_for_a_channel_that_will_not_be_joined_is_refused() -> None:
    bob = welcome()
    feed(bob, ":alice!u@h KICK #lounge bob")
    bob.disconnected()
    outside = "you are not in #lounge; /join #lounge"
    assert bob.type("hello") == [Undelivered("#lounge", "hello", outside)]
    assert len(bob.state.outbox) == 0


def test_each_of_several_targets_gets_a_confirmed_message() -> None:
    bob = welcome("echo-message")
    bob.type("/msg alice,#lounge hi")
    assert lines(bob.due(0)) == ["PRIVMSG alice :hi", "PRIVMSG #lounge :hi"]
    feed(bob, ":bob!u@h PRIVMSG alice :hi", ":bob!u@h PRIVMSG #lounge :hi")
    assert len(bob.state.outbox) == 0


def test_leaving_a_channel_drops_its_waiting_messages() -> None:
    bob = welcome(burst=1)
    bob.type("one")
    bob.type("two")
    bob.due(0)
    _, dropped = feed(bob, ":bob!u@h PART #lounge")
    assert dropped == Undelivered("#lounge", "two", "you left #lounge")


def test_a_long_text_becomes_several_messages_that_fit() -> None:
    bob = welcome()
    text = "ü" * 700
    bob.type(text)
    sent = [line for line in lines(bob.due(0)) if line.startswith("PRIVMSG")]
    assert "".join(line.removeprefix("PRIVMSG #lounge :") for line in sent) == text
    assert all(len(f":bob!u@h {line}\r\n".encode()) <= 512 for line in sent)


def test_without_a_connection_commands_are_refused_and_text_is_kept() -> None:
    bob = welcome()
    bob.disconnected()
    assert bob.type("/nick rob") == [Refused("not connected")]
    assert bob.type("/quiet") == [Notice("join and leave notices are off")]
    assert len(bob.state.outbox) == 0
    bob.type("keep me")
    assert len(bob.state.outbox) == 1


def test_ignore_toggles_and_lists() -> None:
    bob = welcome()
    assert bob.type("/ignore") == [Notice("ignored: no user")]
    bob.type("/ignore Mallory")
    assert bob.type("/ignore") == [Notice("ignored: Mallory")]

from __future__ import annotations

from netd.client.core.paste_plan import plan_paste
from tests.client.core.feeding import feed, lines, welcome


def test_one_line_needs_no_question() -> None:
    assert plan_paste(welcome().state, "one line\n") is None
    assert plan_paste(welcome().state, "\n  \none line\n\n") is None


def test_several_lines_are_counted_with_their_time() -> None:
    plan = plan_paste(welcome().state, "line\n" * 200)
    assert plan is not None
    assert plan.question == "200 lines to #lounge, 48 s: send, edit, drop?"
    assert not plan.is_too_long


def test_more_than_can_wait_is_refused() -> None:
    plan = plan_paste(welcome().state, "line\n" * 1001)
    assert plan is not None
    assert plan.is_too_long


def test_lines_are_one_message_where_the_server_takes_several() -> None:
    bob = welcome("batch draft/multiline=max-bytes=4096,max-lines=24 echo-message")
    plan = plan_paste(bob.state, "/quit\nb\n\nc")
    assert plan is not None
    assert plan.question == "3 lines to #lounge in 1 message: send, edit, drop?"
    bob.say_to(plan.target, plan.text)
    assert lines(bob.due(0)) == [
        "BATCH +1 draft/multiline #lounge",
        "@batch=1 PRIVMSG #lounge :/quit",
        "@batch=1 PRIVMSG #lounge :b",
        "@batch=1 PRIVMSG #lounge :c",
        "BATCH -1",
    ]
    effects = feed(
        bob,
        "@msgid=x :bob!u@h BATCH +s draft/multiline #lounge",
        "@batch=s :bob!u@h PRIVMSG #lounge :/quit",
        "@batch=s :bob!u@h PRIVMSG #lounge :b",
        "@batch=s :bob!u@h PRIVMSG #lounge :c",
        "BATCH -s",
    )
    assert len(effects) == 2, "one message, which is confirmed"
    assert len(bob.state.outbox) == 0


def test_the_limits_of_the_server_hold() -> None:
    bob = welcome("batch draft/multiline=max-bytes=20,max-lines=3")
    texts = [part.text for part in bob.state.split("#lounge", "\n".join("abcdefgh"))]
    assert texts == ["a\nb\nc", "d\ne\nf", "g\nh"]
    long = [part.text for part in bob.state.split("#lounge", "x" * 15 + "\n" + "y" * 15)]
    assert long == ["x" * 15, "y" * 15]

"""netd-chat on a terminal without cursor movement."""

from __future__ import annotations

from tests.client.observer import Observer
from tests.client.screen.conftest import CTRL_C, CTRL_D, Start, await_end
from tests.support import Daemon


def test_a_dumb_terminal_has_plain_lines(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat(TERM="dumb")
        chat.send("hello\n")
        assert ear.hear(1) == ["hello"]
        ear.say("bob: hi")
        chat.expect_exact("<ear> bob: hi")
        chat.send(CTRL_C)
        chat.expect("Ctrl-C again leaves")
        assert "\x1b" not in str(chat.before)
        chat.send(CTRL_C)
        assert await_end(chat) == 0


def test_the_end_of_input_leaves(start_chat: Start) -> None:
    chat = start_chat(TERM="dumb")
    chat.send(CTRL_D)
    assert await_end(chat) == 0

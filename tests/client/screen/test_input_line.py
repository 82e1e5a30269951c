from __future__ import annotations

from prompt_toolkit.buffer import Buffer

from netd.client.core.client_state import ClientState
from netd.client.screen.hooks import Hooks
from netd.client.screen.input_line import InputLine
from netd.client.screen.questions import Questions
from tests.client.core.feeding import feed, welcome


def input_line(state: ClientState) -> InputLine:
    hooks = Hooks(
        on_line=lambda _: None,
        on_paste=lambda _: None,
        on_leave=lambda: None,
        on_activity=lambda: None,
        on_switch=lambda name: setattr(state, "current", name),
        on_top=lambda: None,
        prompt=str,
        server=str,
    )
    return InputLine(state, hooks, Questions(), lambda _: None)


def test_a_typed_text_stays_with_its_conversation() -> None:
    bob = welcome()
    feed(bob, ":alice!u@h PRIVMSG bob :psst")
    line, buffer = input_line(bob.state), Buffer()
    buffer.text = "for all"
    line.switch(buffer, "alice")
    assert buffer.text == ""
    buffer.text = "for alice"
    line.switch(buffer, "#lounge")
    assert buffer.text == "for all"
    line.switch(buffer, "alice")
    assert buffer.text == "for alice"

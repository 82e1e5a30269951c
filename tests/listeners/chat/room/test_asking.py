"""Replies that ask the database: a command of the test asks for the states of channels."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import COMMANDS
from netd.listeners.chat.room.commands.base import Command, Steps
from netd.listeners.chat.room.effect import Ask
from netd.listeners.chat.room.storage import QueryFailedError, ask
from netd.listeners.chat.room.stored_state import ChannelStates, SetChannelState
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest


def _states(context: CommandContext, params: Sequence[str]) -> Steps:
    context.store(SetChannelState("#stored", params[0]))
    try:
        states = yield from ask(ChannelStates())
    except QueryFailedError as error:
        context.fail("MESSAGE_ERROR", str(error))
    else:
        context.reply_command("NOTICE", str(states))


@pytest.fixture
def ann(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    monkeypatch.setitem(COMMANDS, "STATES", Command(_states, "<state>", params=1))
    return RoomUnderTest().join("ann", "labeled-response", "batch")


def test_a_command_gets_the_result_with_all_changes_before(ann: FakeClient) -> None:
    assert ann.send("STATES {}") == [":irc.test NOTICE :{'#stored': '{}'}"]
    assert ann.send("@label=x STATES {1}") == ["@label=x :irc.test NOTICE :{'#stored': '{1}'}"]


def test_a_command_without_a_database_can_reply(ann: FakeClient) -> None:
    ann.room.has_database = False
    assert ann.send("STATES {}") == [":irc.test FAIL STATES MESSAGE_ERROR :there is no database"]


def test_a_client_waits_for_its_answer_and_others_do_not(ann: FakeClient) -> None:
    bob = ann.room.join("bob")
    effects = ann.room.core.receive(ann.client, b"STATES {}", ann.room.now)
    assert isinstance(effects[-1], Ask)
    assert ann.client.is_replying
    assert ann.client.is_asking
    assert bob.send("PING x") == [":irc.test PONG irc.test x"]
    ann.room.apply(effects)
    assert ann.read() == [":irc.test NOTICE :{'#stored': '{}'}"]


def test_an_answer_for_a_client_that_has_left_is_dropped(ann: FakeClient) -> None:
    effects = ann.room.core.receive(ann.client, b"STATES {}", ann.room.now)
    ann.room.leave(ann, "gone")
    ann.room.apply(effects)
    assert ann.read() == []

"""A host whose room differs from that of the others loads it again, and says so."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from unittest import mock

import pytest

from netd.listeners.chat import KIND
from netd.listeners.chat.cluster import checkpoints
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands import COMMANDS
from netd.listeners.chat.room.commands.base import Command
from tests.cluster.redis_server import RedisServer
from tests.listeners.chat.test_service import Irc
from tests.support import WorkerUnderTest


def _ignore(_context: CommandContext, _params: Sequence[str]) -> None:
    """Do nothing, unlike the other host."""


def test_a_host_that_differs_loads_the_room_again(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CHECK_ENTRIES", 20)
    options = {"flood_rate": 0, "channel": "", "server_name": "irc.test"}
    with contextlib.ExitStack() as stack:

        def start(node: str) -> WorkerUnderTest:
            cluster = {"engine": f"unix://{redis.path}", "node": node, "deadline": "60s"}
            worker = WorkerUnderTest(KIND, {**options, "cluster": cluster}, ["tcp://127.0.0.1:0"])
            stack.callback(worker.close)
            return worker

        one = start("one")
        with mock.patch.dict(COMMANDS, {"AWAY": Command(_ignore, "")}):
            two = start("two")
        alice, bob = [
            stack.enter_context(contextlib.closing(Irc(worker.connect()))) for worker in (one, two)
        ]
        alice.register("alice").join("#room").send("AWAY :at lunch")
        alice.expect(" 306 ")
        bob.register("bob").join("#room")

        def is_noticed(counters: dict[str, int]) -> bool:
            alice.send("PRIVMSG #room :another entry", "PING x")
            alice.expect("PONG")
            return counters["engine_drifts"] > 0

        while not any(is_noticed(dict(w.await_counters(lambda _: True))) for w in (one, two)):
            pass
        bob.send("PRIVMSG #room :it goes on")
        assert "it goes on" in alice.expect("it goes on")

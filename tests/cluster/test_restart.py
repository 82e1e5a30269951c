"""A host is restarted: its clients keep their connections, and the other hosts see nothing."""

from __future__ import annotations

import contextlib

from tests.cluster.redis_server import RedisServer
from tests.cluster.test_cluster import CONFIG
from tests.conftest import StartManaged
from tests.listeners.chat.test_service import Irc
from tests.support import wait_until


def test_a_restart_is_not_noticed(start_managed: StartManaged, redis: RedisServer) -> None:
    one, two = [start_managed(CONFIG.format(node=name, path=redis.path)) for name in ("one", "two")]
    with contextlib.ExitStack() as stack:
        alice, bob = [
            stack.enter_context(contextlib.closing(Irc(node.connect("lounge"))))
            for node in (one, two)
        ]
        alice.register("alice").join("#room")
        bob.register("bob").join("#room")
        alice.expect("JOIN")
        for number in range(3):
            bob.send(f"PRIVMSG #room :before {number}")
            one.systemd.restart()
            bob.send(f"PRIVMSG #room :after {number}")
            assert alice.expect(":bob!").endswith(f":before {number}")
            assert alice.expect(":bob!").endswith(f":after {number}")
            alice.send(f"PRIVMSG #room :here {number}")
            assert bob.expect(":alice!").endswith(f"PRIVMSG #room :here {number}")
        wait_until(lambda: one.listener("lounge")["state"] == "serving", "the engine")

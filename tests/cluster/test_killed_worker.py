"""A worker of one host is killed: its clients return to their places, and no other host notices."""

from __future__ import annotations

import contextlib
import os
import signal

from tests.cluster.redis_server import RedisServer
from tests.cluster.test_cluster import CONFIG, is_degraded, join_with_voice
from tests.conftest import StartDaemon
from tests.listeners.chat.test_service import Irc
from tests.support import Daemon, memory_files, wait_until


def _connect(daemon: Daemon, nick: str, *words: str) -> Irc:
    client = Irc(daemon.connect("lounge"))
    client.send("CAP REQ :netd.dev/resume", *words, f"NICK {nick}", f"USER {nick} 0 * :x")
    return client


def await_snapshot(daemon: Daemon, client: Irc) -> None:
    """Wait until the supervisor has a snapshot with all that was done before."""
    supervisor = daemon.status()["pid"]
    for reason in ("first", "second"):  # the first one can have begun before the last change
        before = memory_files(supervisor)
        client.send(f"AWAY :{reason}")
        wait_until(lambda: memory_files(supervisor) - before, "a snapshot")  # noqa: B023 (now)


def test_its_clients_return_to_their_places(start_daemon: StartDaemon, redis: RedisServer) -> None:
    one, two = [start_daemon(CONFIG.format(node=name, path=redis.path)) for name in ("one", "two")]
    for daemon in (one, two):
        wait_until(lambda: not is_degraded(daemon), "the engine")  # noqa: B023 (now)
    with contextlib.ExitStack() as stack:
        bob = stack.enter_context(contextlib.closing(Irc(two.connect("lounge"))))
        bob.register("bob").join("#room")
        alice = stack.enter_context(contextlib.closing(_connect(one, "alice")))
        token = alice.expect("RESUME TOKEN").rpartition(" ")[2]
        join_with_voice(alice, bob)
        await_snapshot(one, alice)
        alice.send("PRIVMSG #room :the last words")
        bob.expect("the last words")
        [pid] = one.pids("lounge")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: one.serves() and one.pids("lounge") != [pid], "the next worker")
        bob.send("PRIVMSG #room :while it is away")
        bob.send("PING x")
        again = stack.enter_context(
            contextlib.closing(_connect(one, "other", f"RESUME {token}", "CAP END"))
        )
        again.expect("RESUME SUCCESS alice")
        assert again.expect(" 353 ").endswith(":@bob +alice")
        again.send("PRIVMSG #room :back")
        seen = [bob.expect("") for _ in range(2)]
        assert seen[0].endswith("PONG two.example x")
        assert seen[1].endswith(":back"), seen
        bob.send("NAMES #room")
        assert bob.expect(" 353 ").endswith(":@bob +alice")

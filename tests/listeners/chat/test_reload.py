"""Every option can change while members are connected, and all stay connected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import pytest

from netd.listeners.chat.options import ChatOptions
from tests.conftest import StartDaemon
from tests.listeners.chat.test_service import Irc
from tests.support import Daemon, cheap_hash, make_certificate

Connect = Callable[[Daemon], Irc]
CHAT = """[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
server_name = "irc.test"
opers = [{ name = "root", password = "toor" }]
"""


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:

        def make(daemon: Daemon) -> Irc:
            client = Irc(daemon.connect("lounge"))
            stack.callback(client.close)
            return client

        yield make


def test_an_operator_reloads_the_daemon(start_daemon: StartDaemon, connect: Connect) -> None:
    daemon = start_daemon(CHAT)
    root, bob = connect(daemon).register("ann").join(), connect(daemon).register("bob").join()
    root.send("OPER root toor")
    daemon.write(CHAT + 'motd = "anew"\n')
    root.send("REHASH")
    assert root.expect(" 382 ") == ":irc.test 382 ann netd.toml Rehashing"
    assert root.expect("NOTICE") == ":irc.test NOTICE ann :reloaded: reconfigured lounge"
    bob.send("MOTD")
    bob.expect("- anew")
    assert daemon.status()["last_reload"]["ok"]


def test_an_operator_gets_the_errors_of_a_refused_reload(
    start_daemon: StartDaemon, connect: Connect
) -> None:
    daemon = start_daemon(CHAT)
    root = connect(daemon).register("ann")
    root.send("OPER root toor")
    daemon.write(CHAT + 'motd = 7\nnonsense = "x"\n')
    root.send("REHASH", "REHASH")
    for _ in range(2):
        first = root.expect("NOTICE ann")
        assert "reload refused, nothing changed: " in first
        assert "netd.toml:" in first
        root.expect("nonsense")
    root.sync()
    daemon.write(CHAT)
    root.send("REHASH")
    root.expect("NOTICE ann :reloaded: nothing changed")


EDITS = {
    "address": '["tcp://127.0.0.1:0", "unix://{directory}/lounge.sock"]',
    "backlog": "64",
    "socket_mode": '"0600"',
    "max_connections": "900",
    "max_connections_per_address": "500",
    "allow": '["127.0.0.0/8"]',
    "deny": '["192.0.2.0/24"]',
    "poller": '"epoll"',
    "server_name": '"irc.elsewhere"',
    "network": '"elsewhere"',
    "channel": '"#den"',
    "topic": '"as edited"',
    "join_channel": "true",
    "motd": '"anew"',
    "admin": '["here", "an admin", "admin@irc.test"]',
    "password": '"sesame"',
    "tls": '{{ certificate = "{certificate}", key = "{key}", ports = [1] }}',
    "opers": '[{{ name = "root", password = "toor" }}]',
    "opers_file": '"{directory}/credentials"',
    "accounts": '[{{ name = "anna", password = "sesame" }}]',
    "accounts_file": '"{directory}/credentials"',
    "connect_burst": "5",
    "connect_rate": "0.0",
    "connect_exempt": "[]",
    "proxy_protocol_from": '"192.0.2.0/24"',
    "proxy_protocol": '"optional"',
    "cloak": "false",
    "cloak_key": '"a secret"',
    "ping_after": '"1h"',
    "ping_timeout": '"1h"',
    "max_waiting_logins": "9",
    "max_waiting_logins_per_address": "3",
    "max_login_delay": '"2s"',
    "registration_timeout": '"1h"',
    "return_timeout": '"10s"',
    "max_send_queue": '"64KiB"',
    "max_receive_queue": '"32KiB"',
    "flood_burst": "50",
    "flood_rate": "500.0",
    "nick_length": "20",
    "topic_length": "100",
    "max_channels": "5",
    "max_channels_per_member": "5",
    "max_clients_per_account": "5",
    "registration": "{{ max_accounts = 5 }}",
    "always_on": "true",
    "max_always_on": "10",
    "always_on_expires": '"30d"',
    "history_lines": "20",
    "max_memory": '"128MiB"',
    "history_file": '"{directory}/history.db"',
    "multiline_lines": "50",
    "multiline_bytes": '"8KiB"',
    "redact_within": '"5m"',
    "history_keep": '"90d"',
    "history_max_lines": "1000",
    "history_max_size": '"100MiB"',
    "replay_lines": "5",
}


def test_every_option_can_change_without_a_disconnect(
    start_daemon: StartDaemon, connect: Connect, tmp_path: Path
) -> None:
    assert {*EDITS, "kind", "workers", "cluster"} == {field.name for field in fields(ChatOptions)}
    daemon = start_daemon(CHAT + "flood_rate = 1000.0\n")
    (tmp_path / "credentials").write_text(f"carol:{cheap_hash('sesame')}\n")
    facts = {"directory": str(tmp_path), **make_certificate(tmp_path, "irc.test")}
    alice, bob = connect(daemon).register("alice").join(), connect(daemon).register("bob").join()
    pids = daemon.pids("lounge")
    kept = {"address": '"tcp://127.0.0.1:0"', "server_name": '"irc.test"', "flood_rate": "1000.0"}
    edits = [*EDITS.items(), ("server_name", '"irc.test"')]
    for start in range(0, len(edits), 8):  # without the earlier edits
        batch = dict(edits[start : start + 8])
        lines = {**kept, **{key: value.format(**facts) for key, value in batch.items()}}
        text = "".join(f"{name} = {line}\n" for name, line in lines.items())
        daemon.write('[listeners.lounge]\nkind = "chat"\n' + text)
        assert not daemon.reload().error
        bob.send(f"PRIVMSG alice :after {start}")
        alice.expect(f":after {start}")
    assert daemon.pids("lounge") == pids
    assert not [line for line in bob.sync() if "ERROR" in line or "QUIT" in line]


def test_new_limits_apply_to_connected_members_at_once(
    start_daemon: StartDaemon, connect: Connect
) -> None:
    daemon = start_daemon(CHAT + "flood_rate = 0\n")
    ann = connect(daemon).register("ann").join()
    ann.send(*(f"PRIVMSG #lounge :line {number}" for number in range(30)))
    ann.sync()
    limits = 'max_send_queue = "4KiB"\nhistory_lines = 7\nreplay_lines = 50\nnick_length = 9\n'
    daemon.write(CHAT + "flood_rate = 0\n" + limits)
    assert not daemon.reload().error
    ann.send("NICK ten_letters")
    ann.expect(" 432 ")
    carol = connect(daemon).register("carol")
    carol.send("JOIN #lounge")
    assert carol.expect("line 2").endswith("line 23")  # the first of the seven that were kept


def test_a_lower_send_queue_applies_to_connected_members(
    start_daemon: StartDaemon, connect: Connect
) -> None:
    daemon = start_daemon(CHAT + 'flood_rate = 0\nmax_send_queue = "1GiB"\n')
    connect(daemon).register("deaf").join()
    ann, bob = connect(daemon).register("ann").join(), connect(daemon).register("bob").join()
    daemon.write(CHAT + 'flood_rate = 0\nmax_send_queue = "64KiB"\n')
    assert not daemon.reload().error
    while not any(":deaf!" in line and "QUIT" in line for line in ann.sync()):
        bob.send(*("PRIVMSG #lounge :" + "x" * 400 for _ in range(100)))
        bob.sync()

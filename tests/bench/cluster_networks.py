"""The servers of a chat on several hosts: netd with Redis, and IRC servers that are linked.

All processes run on this machine. A network can have a relay in the way that the servers need: the
one between the second netd and the engine, or the link between the peers.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench import harness_process
from tests.bench.cluster_member import Member
from tests.bench.usage import family
from tests.cluster.redis_server import RedisServer
from tests.cluster.relay import Relay
from tests.programs import find
from tests.support import wait_until

_LISTENER: Final = """
kind = "chat"
address = "tcp://127.0.0.1:{port}"
flood_rate = 0
connect_burst = 100000
max_connections = 20000
max_connections_per_address = 0
poller = "epoll"
motd = ""
channel = ""
replay_lines = 0
ping_after = "1h"
"""
_CLUSTER: Final = 'cluster = {{ engine = "unix://{path}", node = "n{port}", name = "bench" }}\n'
_NGIRCD: Final = """
[Global]
Name = {name}.bench.test
Info = bench
Listen = 127.0.0.1
Ports = {port}, {link}
[Limits]
ConnectRetry = 5
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
[Server]
Name = {peer}.bench.test
Host = 127.0.0.1
MyPassword = bench
PeerPassword = bench
{connects}
"""
_INSPIRCD: Final = """
<config format="xml">
<server name="{name}.bench.test" description="bench" network="bench" id="{number}">
<admin name="bench" nick="bench" email="bench@bench.test">
<bind address="127.0.0.1" port="{port}" type="clients">
<bind address="127.0.0.1" port="{link}" type="servers">
<connect allow="*" timeout="60" pingfreq="1h" hardsendq="100M" softsendq="100M" recvq="1M"
    threshold="1000000" commandrate="100000000" fakelag="no" localmax="100000" globalmax="100000"
    resolvehostnames="no" useident="no" limit="100000">
<performance softlimit="100000" nouserdns="yes">
<options defaultmodes="nt">
<pid file="{directory}/{name}.pid">
<path datadir="{directory}" logdir="{directory}">
<module name="spanningtree">
<link name="{peer}.bench.test" ipaddr="127.0.0.1" port="{target}" allowmask="127.0.0.1"
    sendpass="bench" recvpass="bench">
{connects}
"""


@dataclass(frozen=True, slots=True)
class Network:
    """The servers' ports and processes, and the relay."""

    ports: list[int]
    pids: list[int]
    relay: Relay | None = None


Start = Callable[[], AbstractContextManager[Network]]


@contextlib.contextmanager
def netds(hosts: int, *, workers: int = 1, with_relay: bool = False) -> Iterator[Network]:
    """Hosts of netd; a single one with one worker has no engine. The relay is before the last one.

    The clients are not distributed evenly among workers.
    """
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = RedisServer(directory / "redis")
        stack.callback(redis.kill)
        redis.call("CONFIG", "SET", "appendfsync", "everysec")
        relay = None
        ports, pids = [], []
        for number in range(hosts):
            path, port = redis.path, harness_process.free_port()
            if with_relay and number == hosts - 1:
                relay = Relay(directory / "relay", redis.path)
                stack.callback(relay.close)
                path = directory / "relay"
            listener = _LISTENER.format(port=port) + f"workers = {workers}\n"
            if hosts > 1 or workers > 1:
                listener += _CLUSTER.format(path=path, port=port)
            process = stack.enter_context(harness_process.netd(listener, port))
            Member(port, f"f{number}").await_joined()
            ports.append(port)
            pids.append(tuple(family(process.pid))[1])
        yield Network(ports, pids, relay)


@contextlib.contextmanager
def ngircds(*, with_relay: bool = False) -> Iterator[Network]:
    """Two servers of ngircd."""

    def command(config: Path) -> list[str]:
        return [find("ngircd") or "", "-n", "-f", str(config)]

    connects = ("Passive = yes", "Port = {target}")
    with _linked(_NGIRCD, command, connects, with_relay=with_relay) as network:
        yield network


@contextlib.contextmanager
def inspircds(*, with_relay: bool = False) -> Iterator[Network]:
    """Two servers of InspIRCd."""

    def command(config: Path) -> list[str]:
        return [find("inspircd") or "", "--nofork", "--runasroot", "--config", str(config)]

    connects = ("", '<autoconnect period="5s" server="one.bench.test">')
    with _linked(_INSPIRCD, command, connects, with_relay=with_relay) as network:
        yield network


@contextlib.contextmanager
def _linked(
    form: str,
    command: Callable[[Path], list[str]],
    connects: tuple[str, str],
    *,
    with_relay: bool,
) -> Iterator[Network]:
    """Two servers, the second of which connects to the first, if need be by the relay."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        links = [harness_process.free_port() for _ in connects]
        target, relay = links[0], None
        if with_relay:
            target = harness_process.free_port()
            relay = Relay(target, links[0])
            stack.callback(relay.close)
        ports, pids = [], []
        for number, name in enumerate(("one", "two")):
            facts = {
                "name": name,
                "peer": ("two", "one")[number],
                "number": f"00{number + 1}",
                "directory": directory,
                "port": harness_process.free_port(),
                "link": links[number],
                "target": (links[1], target)[number],
            }
            config = directory / f"{name}.conf"
            config.write_text(form.format(**facts, connects=connects[number].format(**facts)))
            port = facts["port"]
            assert isinstance(port, int)
            process = stack.enter_context(harness_process.program(command(config), port))
            ports.append(port)
            pids.append(process.pid)
        _await_link(ports)
        yield Network(ports, pids, relay)


def _await_link(ports: list[int]) -> None:
    """Wait until a member of each server can talk to one of the other."""
    one, two = [Member(port, nick) for port, nick in zip(ports, ("f0", "f1"), strict=True)]
    two.await_joined()

    def is_linked() -> bool:
        one.send(f"PRIVMSG {two.nick} :linked")
        return two.has_text(b":linked", 0.2)

    wait_until(is_linked, "the link")
    for member in (one, two):
        member.close()

"""Commands that an engine does not execute for a node are named, in `netd check` and the status."""

from __future__ import annotations

import re

import pytest

from netd.listeners.chat.cluster.check import problems
from netd.listeners.chat.cluster.options import ClusterOptions
from netd.listeners.chat.cluster.permissions import TRY
from netd.listeners.chat.cluster.scripts import ALL
from tests.cluster.conftest import StartRedis
from tests.cluster.engine_node import Turner
from tests.cluster.redis_server import RedisServer


def test_each_command_of_the_scripts_is_tried() -> None:
    called = {name for script in ALL for name in re.findall(r"redis\.p?call\('(\w+)'", script.text)}
    assert called <= {*re.findall(r"try\('(\w+)'", TRY.text)}


def _check(server: RedisServer) -> list[str]:
    options = ClusterOptions(engine=(str(server.address),))
    return [problem.message.partition(": ")[2] for problem in problems(options)]


def test_renamed_commands_are_named(start_redis: StartRedis, turner: Turner) -> None:
    server = start_redis("--rename-command", "XTRIM", "X1", "--rename-command", "HDEL", "X2")
    [fault] = _check(server)
    assert fault.startswith("commands cannot be executed: HDEL, XTRIM; they are renamed")
    node = turner.add(server.address, "one")
    turner.until(lambda: node.failures, "the fault")
    assert node.failures[0] == f"{server.address}: {fault}"


@pytest.mark.parametrize(
    ("command", "named"),
    [("xadd", "executed: XADD;"), ("script|load", "script|load"), ("xread", "xread")],
)
def test_commands_that_the_acl_forbids_are_named(
    redis: RedisServer, turner: Turner, command: str, named: str
) -> None:
    redis.call("ACL", "SETUSER", "default", f"-{command}")
    assert named in _check(redis)[0]
    node = turner.add(redis.address, "one")
    turner.until(lambda: node.failures, "the fault")
    assert named in node.failures[0]
    redis.call("ACL", "SETUSER", "default", f"+{command}")
    turner.until_available()
    assert not redis.call("KEYS", "*:try")

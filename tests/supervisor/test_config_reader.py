from __future__ import annotations

import os
import re
from collections.abc import Callable

from netd.config.load import parse_config
from netd.config.model import Config
from netd.errors import ConfigError, NetdError, Problem, ReloadError
from netd.listeners.kinds import KINDS
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.supervisor.config_reader import ConfigReader

TEXT = """
[netd]
drain_timeout = "3s"
[listeners.web]
kind = "http"
address = ["tcp://127.0.0.1:0", "unix:///run/netd/web.sock"]
routes = [{ path = "/", text = "x" }]
[listeners.echo]
kind = "echo"
address = "udp://[::1]:0"
concurrency = "thread"
deny = "10.0.0.0/8"
"""


def read_in_subprocess(read: Callable[[], Config]) -> Config | NetdError:
    """The outcome that the reader gives to the loop."""
    loop = Loop(EpollPoller())
    outcomes: list[Config | NetdError] = []
    ConfigReader(loop, read, KINDS).begin(outcomes.append)
    while not outcomes:
        loop.turn()
    loop.close()
    return outcomes[0]


def test_the_configuration_of_the_subprocess_is_the_same() -> None:
    config = parse_config(TEXT, "netd.toml", KINDS)
    assert read_in_subprocess(lambda: parse_config(TEXT, "netd.toml", KINDS)) == config


def test_its_problems_are_given() -> None:
    found = (Problem("a.b", "is missing", "netd.toml", 3), Problem("", "is no text"))

    def fail() -> Config:
        raise ConfigError(found)

    error = read_in_subprocess(fail)
    assert isinstance(error, ConfigError)
    assert error.problems == found


def test_a_subprocess_that_dies_makes_the_reload_fail() -> None:
    def die() -> Config:
        os._exit(3)

    error = read_in_subprocess(die)
    assert isinstance(error, ReloadError)
    assert re.search(r"the process .* ended: exit status 3", str(error))

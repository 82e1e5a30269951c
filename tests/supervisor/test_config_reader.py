from __future__ import annotations

import os

import pytest

from netd.config.load import parse_config
from netd.config.model import Config
from netd.errors import ConfigError, Problem, ReloadError
from netd.listeners.kinds import KINDS
from netd.supervisor.config_reader import read_in_subprocess

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


def test_the_configuration_of_the_subprocess_is_the_same() -> None:
    config = parse_config(TEXT, "netd.toml", KINDS)
    assert read_in_subprocess(lambda: parse_config(TEXT, "netd.toml", KINDS), KINDS) == config


def test_its_problems_are_raised() -> None:
    found = (Problem("a.b", "is missing", "netd.toml", 3), Problem("", "is no text"))

    def fail() -> Config:
        raise ConfigError(found)

    with pytest.raises(ConfigError) as caught:
        read_in_subprocess(fail, KINDS)
    assert caught.value.problems == found


def test_a_subprocess_that_dies_makes_the_reload_fail() -> None:
    def die() -> Config:
        os._exit(3)

    with pytest.raises(ReloadError, match=r"the process .* ended: exit status 3"):
        read_in_subprocess(die, KINDS)

"""The commands and configurations of the README are accepted by netd."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from netd import cli
from netd.client import client_settings
from netd.config.load import parse_config
from netd.listeners.kinds import KINDS

TEXT = (Path(__file__).parents[2] / "README.md").read_text()
TOML = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_every_configuration_is_accepted() -> None:
    configurations = [text for text in TOML if "[listeners." in text]
    assert len(configurations) > 2
    for text in configurations:
        assert parse_config(text, "README.md", KINDS).listeners


def test_every_setting_of_the_client_is_one() -> None:
    [settings] = [text for text in TOML if "[listeners." not in text]
    assert set(tomllib.loads(settings)) <= set(client_settings.KEYS)


def test_every_nc_ends_with_its_input() -> None:
    """Without -N Debian's nc waits until the server closes the connection."""
    shown = re.findall(r"\| nc (.*)", TEXT)
    assert shown
    assert all(line.startswith("-N ") for line in shown)


def test_every_command_and_option_is_one() -> None:
    for program, parser in (
        ("netd", cli.build_parser()),
        ("netd-chat", client_settings.build_parser()),
    ):
        actions = parser._actions
        commands = next((a.choices for a in actions if isinstance(a.choices, dict)), {})
        parsers = [parser, *commands.values()]
        options = {s for p in parsers for action in p._actions for s in action.option_strings}
        shown = re.findall(rf"(?:^\$ |`|[|/] |bin/){program} ([^`|\n]*)", TEXT, re.MULTILINE)
        assert shown
        assert {option for line in shown for option in re.findall(r"--[a-z-]+", line)} <= options
        if commands:
            assert {line.split()[0] for line in shown if line[0].isalpha()} <= set(commands)

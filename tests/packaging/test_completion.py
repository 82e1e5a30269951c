"""The completions that real shells offer for the command lines of netd and netd-chat."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from netd import cli
from netd.client import client_settings
from tests.programs import require
from tests.support import PATIENCE_S

COMPLETIONS = Path(__file__).parents[2] / "packaging/completions"
CONFIG = """
[netd]
[listeners.echo]
kind = "echo"
[listeners.lounge]   # IRC
[listeners."web"]
[[listeners.web.routes]]
[listeners.web.tls]
[listeners."$(touch pwned)"]
[listeners."`touch pwned`"]
[listeners.';touch pwned']
"""
PRINT = "printf '<%s>' "
BASH_SETUP = """
bind 'set bell-style none'; bind 'set enable-bracketed-paste off'
bind '"\\C-t": insert-completions'
. {0}/bash/netd; . {0}/bash/netd-chat
"""
ZSH_SETUP = """
unsetopt zle_bracketed_paste; bindkey -e; fpath=({0}/zsh $fpath)
autoload -Uz compinit; compinit -u -D
zle -C all-matches complete-word _generic; bindkey '^T' all-matches
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert yes
"""
FISH_SETUP = "source {0}/fish/netd.fish; source {0}/fish/netd-chat.fish; complete -C $argv[1]"


class Interactive:
    """A shell at a terminal; its key Ctrl-T inserts all completions into the line."""

    def __init__(self, command: list[str], setup: str, directory: Path) -> None:
        self._shell = pexpect.spawn(
            command[0],
            command[1:],
            cwd=directory,
            env=environ(directory),
            encoding="utf-8",
            timeout=PATIENCE_S,
            dimensions=(50, 2000),
        )
        for line in [*setup.format(COMPLETIONS).strip().splitlines(), "echo BE''GUN"]:
            self._shell.sendline(line)
        self._shell.expect("BEGUN")

    def offers(self, line: str) -> set[str]:
        """The words that replace the last word of the line."""
        self._shell.send(f"{line}\x14\x01{PRINT}\x05; echo END''ED\r")
        self._shell.expect(r"((?:<[^<>]*>)+)\s*ENDED")
        words = re.findall("<([^<>]*)>", str(self._shell.match[1]))
        return set(words[len(shlex.split(f"{line}x")) - 1 :])

    def complete(self, line: str) -> list[str]:
        """The words of the line after Tab."""
        self._shell.send(f"{line}\t\x01{PRINT}\x05; echo END''ED\r")
        self._shell.expect(r"((?:<[^<>]*>)+)\s*ENDED")
        return re.findall("<([^<>]*)>", str(self._shell.match[1]))

    def close(self) -> None:
        self._shell.close(force=True)


class Fish:
    """fish prints its completions without a terminal."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def offers(self, line: str) -> set[str]:
        """The completions of the last word of the line."""
        done = subprocess.run(
            ["fish", "--no-config", "-c", FISH_SETUP.format(COMPLETIONS), line],
            cwd=self._directory,
            env=environ(self._directory),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        assert not done.stderr
        return {offer.partition("\t")[0] for offer in done.stdout.splitlines()}

    def close(self) -> None:
        """There is no process to end."""


def environ(directory: Path) -> dict[str, str]:
    ours = {"HOME": str(directory), "TERM": "dumb", "HISTFILE": "", "LC_ALL": "C.UTF-8"}
    return {**os.environ, **ours, "XDG_CONFIG_HOME": str(directory / "config")}


def start(shell: str, directory: Path) -> Interactive | Fish:
    if shell == "fish":
        return Fish(directory)
    if shell == "zsh":
        return Interactive(["zsh", "-f", "-i"], ZSH_SETUP, directory)
    return Interactive(["bash", "--norc", "--noprofile", "-i"], BASH_SETUP, directory)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("completion")
    for name in ("some.toml", "with blank.toml", "config/netd/netd.toml"):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONFIG)
    return directory


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, directory: Path) -> Iterator[Interactive | Fish]:
    require(request.param)
    shell = start(request.param, directory)
    yield shell
    shell.close()


def long_options(parser: argparse.ArgumentParser) -> set[str]:
    strings = (string for action in parser._actions for string in action.option_strings)
    return {string for string in strings if string.startswith("--")}


def commands() -> dict[str, argparse.ArgumentParser]:
    actions = cli.build_parser()._actions
    return next(action.choices for action in actions if isinstance(action.choices, dict))


def test_every_command_and_no_other_is_offered(shell: Interactive | Fish) -> None:
    assert shell.offers("netd ") == set(commands())
    assert shell.offers("netd rel") == {"reload"}


def test_every_option_and_no_other_is_offered(shell: Interactive | Fish) -> None:
    assert shell.offers("netd --") == long_options(cli.build_parser())
    assert shell.offers("netd-chat --") == long_options(client_settings.build_parser())
    for name, command in commands().items():
        offered = shell.offers(f"netd {name} --")
        assert offered == (long_options(command) if len(offered) > 1 else {"--help"})


def test_actions_and_listeners_are_offered_for_account(shell: Interactive | Fish) -> None:
    [action] = [action for action in commands()["account"]._actions if action.choices]
    assert shell.offers("netd account ") == set(action.choices or ())
    assert shell.offers("netd account drop --listener l") == {"lounge"}


def test_an_argument_of_config_is_offered_once(shell: Interactive | Fish) -> None:
    [what] = [action for action in commands()["config"]._actions if action.choices]
    assert shell.offers("netd config ") == set(what.choices or ())
    assert shell.offers("netd config --config some.toml s") == {"show", "schema"}


def test_files_are_offered_for_options_that_take_one(shell: Interactive | Fish) -> None:
    assert shell.offers("netd check --config so") == {"some.toml"}
    for option in ("--config", "--ca-file", "--password-file"):
        assert shell.offers(f"netd-chat {option} so") == {"some.toml"}
    assert shell.offers("netd-chat --send so") <= {"so"}


@pytest.mark.parametrize(
    "option", ["--config some.toml", "--config=some.toml", r"--config with\ blank.toml"]
)
def test_listeners_are_offered_for_probe(shell: Interactive | Fish, option: str) -> None:
    assert shell.offers(f"netd probe {option} ") == {"echo", "lounge", "web"}
    assert shell.offers(f"netd probe {option} l") == {"lounge"}


@pytest.mark.skipif(os.path.exists("/etc/netd.toml"), reason="this machine has its own netd")
def test_listeners_are_those_of_the_default_configuration(shell: Interactive | Fish) -> None:
    assert shell.offers("netd probe ") == {"echo", "lounge", "web"}


@pytest.mark.parametrize("file", ["none.toml", "/", "/dev/zero", "/proc/1/mem"])
def test_without_a_readable_file_there_is_nothing_to_offer(
    shell: Interactive | Fish, file: str
) -> None:
    assert shell.offers(f"netd probe --config {file} ") == set()
    assert shell.offers("netd rel") == {"reload"}


def test_no_name_of_a_listener_is_ever_run(shell: Interactive | Fish, directory: Path) -> None:
    shell.offers("netd probe --config some.toml ")
    assert not (directory / "pwned").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("netd rel", ["netd", "reload"]),
        ("netd status --js", ["netd", "status", "--json"]),
        ("netd check --config wi", ["netd", "check", "--config", "with blank.toml"]),
        ("netd probe --config=some.toml lou", ["netd", "probe", "--config=some.toml", "lounge"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"], indirect=True)
def test_tab_completes(shell: Interactive, line: str, words: list[str]) -> None:
    assert shell.complete(line) == words

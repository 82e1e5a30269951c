"""The manual pages document all options, commands and keys of the code, and no others."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd import cli
from netd.client import client_settings
from netd.client.core import slash_commands
from netd.config.load import parse_config
from netd.config.model import DaemonOptions, ListenerOptions
from netd.errors import ConfigError
from netd.listeners.kinds import KINDS
from netd.protocols.password import hash_password

ROOT = Path(__file__).parents[2]
PAGES = ("netd.8", "netd.toml.5", "netd-chat.1", "netd-admin.7", "netd-cluster.7")
PARSERS = {"netd.8": cli.build_parser(), "netd-chat.1": client_settings.build_parser()}
SECTIONS = {name: f"{name.upper()} LISTENERS" for name in KINDS}


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, written as a package's build writes them."""
    directory = tmp_path_factory.mktemp("man") / "pages"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "1000000000"}
    command = [sys.executable, str(ROOT / "packaging/man/generate.py"), str(directory)]
    subprocess.run(command, check=True, env=environ, cwd="/")
    return directory


def section(page: str, heading: str) -> str:
    [found] = re.findall(rf"^\.Sh {heading}\n(.*?)(?=^\.Sh |\Z)", page, re.MULTILINE | re.DOTALL)
    return str(found)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next((a.choices for a in parser._actions if isinstance(a.choices, dict)), {})


def arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    yield from parser._actions
    for command in subcommands(parser).values():
        yield from command._actions


def option_strings(parser: argparse.ArgumentParser) -> set[str]:
    return {string for argument in arguments(parser) for string in argument.option_strings}


def documented_keys(text: str) -> dict[str, set[str]]:
    """Keys by the table inside a listener that they stand in, "" for the listener itself."""
    keys: dict[str, set[str]] = {"": set()}
    for part in re.split(r"^\.Ss ", text, flags=re.MULTILINE):
        inner = re.match(r"\[+listeners\.NAME\.([a-z.]+)\]+", part)
        found = set(re.findall(r"^\.It Cm (\w+)", part, re.MULTILINE))
        keys.setdefault(inner[1] if inner else "", set()).update(found)
    return keys


def all_keys(options: type, table: str = "") -> dict[str, set[str]]:
    keys = {table: names(options)}
    for field in dataclasses.fields(options):
        for inner in re.findall(r"\w+Options", str(field.type)):
            path = f"{table}.{field.name}".lstrip(".")
            keys |= all_keys(getattr(sys.modules[options.__module__], inner), path)
    return keys


def names(options: type) -> set[str]:
    return {field.name for field in dataclasses.fields(options)}


def test_the_pages_are_written(pages: Path) -> None:
    assert sorted(path.name for path in pages.iterdir()) == sorted(PAGES)
    for name in PAGES:
        text = (pages / name).read_text()
        assert text.startswith(".Dd September 9, 2001\n")
        assert not re.search(r"^@", text, re.MULTILINE)


@pytest.mark.parametrize("name", PARSERS)
def test_every_option_and_argument_is_documented(pages: Path, name: str) -> None:
    page = (pages / name).read_text()
    for argument in arguments(PARSERS[name]):
        for string in argument.option_strings:
            escaped = string[1:].replace("-", r"\-")
            assert re.search(rf"^\.It .*Fl {re.escape(escaped)}\b", page, re.MULTILINE), string
        for choice in argument.choices or ():
            heading = rf"\.Ss netd {choice}" if isinstance(argument.choices, dict) else ""
            assert re.search(rf"^({heading or rf'.It Cm {choice}'})$", page, re.MULTILINE), choice
        if not argument.option_strings and not argument.choices:
            assert f".It Ar {(argument.metavar or argument.dest).upper()}\n" in page  # type: ignore[union-attr]


@pytest.mark.parametrize("name", PARSERS)
def test_no_page_names_an_unknown_option(pages: Path, name: str) -> None:
    page = (pages / name).read_text().replace(r"\-", "-")
    named = {f"-{option}" for option in re.findall(r"\bFl (-?[\w-]+)", page)}
    shown = re.findall(rf"{PARSERS[name].prog} (?!LISTENER=)[^|\n]*", page)
    named |= {option for line in shown for option in re.findall(r"--[\w-]+", line)}
    assert named
    assert named <= option_strings(PARSERS[name])


@pytest.mark.parametrize("name", PAGES)
def test_no_page_names_an_unknown_command(pages: Path, name: str) -> None:
    page = (pages / name).read_text()
    named = set(re.findall(r"(?:^|[$`>] |\.Cm |\\fB)netd ([a-z]+)\b(?! [0-9])", page, re.MULTILINE))
    assert named <= set(subcommands(PARSERS["netd.8"]))


def test_every_slash_command_is_documented(pages: Path) -> None:
    page = (pages / "netd-chat.1").read_text()
    assert set(re.findall(r"^\.It Ic /(\w+)", page, re.MULTILINE)) == set(slash_commands.COMMANDS)


def test_all_keys_of_the_daemon_are_documented(pages: Path) -> None:
    page = (pages / "netd.toml.5").read_text()
    daemon = documented_keys(section(page, "THE DAEMON"))
    assert daemon == {"": names(DaemonOptions)}


@pytest.mark.parametrize("kind", KINDS)
def test_exactly_the_keys_of_each_kind_are_documented(pages: Path, kind: str) -> None:
    page = (pages / "netd.toml.5").read_text()
    common = documented_keys(section(page, "EVERY LISTENER"))[""]
    assert common == names(ListenerOptions)
    documented = documented_keys(section(page, SECTIONS[kind]))
    expected = all_keys(KINDS[kind].options)
    assert documented.keys() == expected.keys()
    for table, keys in expected.items():
        missing = keys - documented[table] - (set() if table else common)
        assert not missing, (table, missing)
        assert documented[table] <= keys


def test_every_kind_has_a_section(pages: Path) -> None:
    page = (pages / "netd.toml.5").read_text()
    headings = set(re.findall(r"^\.Sh (\w+ LISTENERS)", page, re.MULTILINE))
    assert headings == {SECTIONS[kind] for kind in KINDS}


def test_the_overview_lists_every_kind(pages: Path) -> None:
    overview = section((pages / "netd.8").read_text(), "DESCRIPTION")
    assert re.findall(r"^\.It Cm (\w+)", overview, re.MULTILINE) == list(KINDS)


def test_a_key_has_its_default_its_values_and_the_effect_of_a_change(pages: Path) -> None:
    echo = section((pages / "netd.toml.5").read_text(), "ECHO LISTENERS")
    entry = echo[echo.index(".It Cm concurrency") : echo.index(".It Cm tag")]
    assert entry.startswith('.It Cm concurrency No "= \\(dqfork\\(dq"\n')
    assert '("fork" or "thread".)\n' in entry
    assert entry.endswith("A change needs a new worker.\n")


def literals(page: str) -> list[str]:
    found = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.MULTILINE | re.DOTALL)
    return [re.sub(r"\\\(aq", "'", text) for text in found]


def test_the_example_configurations_are_accepted(pages: Path) -> None:
    examples = literals((pages / "netd.toml.5").read_text())
    assert len(examples) > 3
    tasks = literals((pages / "netd-admin.7").read_text())
    for example in (*examples, *(task for task in tasks if task.startswith("[listeners."))):
        text = example.replace("$scrypt$...", hash_password("sesame", bytes(16)))
        assert parse_config(text, "netd.toml", KINDS).listeners


def test_the_example_faults_are_reported_as_shown(pages: Path) -> None:
    [shown] = [text for text in literals((pages / "netd.8").read_text()) if "broken" in text]
    broken = '[netd]\ndrain_timeout = "10 seconds"\n\n[listeners.web]\nkind = "http"\n'
    broken += 'address = "tcp://[::]:80"\nworker = 2\n'
    with pytest.raises(ConfigError) as caught:
        parse_config(broken, "broken.toml", KINDS)
    expected = " ".join(shown.split("\n", 1)[1].split())
    assert " ".join(str(caught.value).split()) == expected


def test_the_example_settings_are_complete(pages: Path, tmp_path: Path) -> None:
    [shown] = [text for text in literals((pages / "netd-chat.1").read_text()) if "bell" in text]
    assert set(tomllib.loads(shown)) == set(client_settings.KEYS) - {"address"}
    (tmp_path / ".chat").write_text("secret\n")
    (tmp_path / ".chat-server").write_text("all know it\n")
    path = tmp_path / "chat.toml"
    path.write_text(shown.replace("~/.chat", str(tmp_path / ".chat")))
    settings = client_settings.read_settings(["--config", str(path)], {}, "me", at_terminal=True)
    assert settings.identity.password == "secret"


@pytest.mark.needs("mandoc")
@pytest.mark.parametrize("name", PAGES)
def test_mandoc_finds_no_fault(pages: Path, name: str) -> None:
    lint = ["mandoc", "-T", "lint", "-W", "warning", str(pages / name)]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.needs("groff")
@pytest.mark.parametrize("name", PAGES)
def test_groff_warns_of_nothing(pages: Path, name: str) -> None:
    command = ["groff", "-mandoc", "-Tutf8", "-Kutf8", "-ww", "-rLL=80n", "-P-c", str(pages / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "SEE ALSO" in re.sub(".\b", "", done.stdout)


@pytest.mark.needs("mandoc")
def test_a_literal_can_be_copied_from_the_page(pages: Path) -> None:
    """Hyphens, quotes, tildes and backslashes can be copied from the page into a shell."""
    render = ["mandoc", "-T", "utf8", "-O", "width=200", str(pages / "netd-chat.1")]
    text = re.sub(".\b", "", subprocess.run(render, capture_output=True, text=True).stdout)  # noqa: PLW1510 (its output is looked at)
    assert "netd-chat irc.example.net --tls --name bob --channel '#dev'" in text
    assert 'ca_file = "~/ca.pem"' in text

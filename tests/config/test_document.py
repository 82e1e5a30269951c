from __future__ import annotations

import re
import tomllib

import pytest

from netd.config.annotations import Table
from netd.config.document import default_text, effective_text, keys
from netd.config.load import parse_config
from netd.config.model import DaemonOptions, fields_for_new_workers
from netd.config.schema import docstrings_of, fields_of
from netd.listeners.kinds import KINDS
from netd.protocols.password import hash_password

EVERYTHING = """
[netd]
drain_timeout = "1500ms"
[listeners.a]
kind = "echo"
address = ["tcp://127.0.0.1:0", "udp://[::1]:0"]
allow = ["10.0.0.0/8", "::1"]
[listeners.b]
kind = "chat"
address = "unix:///run/netd/b.sock"
[listeners.c]
kind = "http"
address = "tcp://127.0.0.1:0"
[[listeners.c.routes]]
path = "/"
text = "x"
"""


def uncommented(text: str) -> str:
    """The default file with every key it shows in force."""
    lines = [line for line in text.splitlines() if " =  # " not in line]
    return "\n".join(re.sub(r"^# (\w+ = .*)$", r"\1", line) for line in lines)


def test_the_default_text_is_a_configuration_with_every_default() -> None:
    text = default_text(KINDS)
    config = parse_config(text, "default", KINDS)
    assert config.netd == DaemonOptions()
    assert config == parse_config(uncommented(text), "default", KINDS)
    assert list(config.listeners) == list(KINDS)


def test_the_default_text_has_every_key_with_its_documentation() -> None:
    text = default_text(KINDS)
    tables: list[type[Table]] = [DaemonOptions, *(kind.options for kind in KINDS.values())]
    for options in tables:
        docstrings = docstrings_of(options)
        for name in fields_of(options):
            assert docstrings.get(name), f"{options.__name__}.{name} is not documented"
            assert re.search(rf"^(# )?{name} =", text, re.MULTILINE), name


def test_the_default_text_describes_the_values_of_a_key() -> None:
    text = default_text(KINDS)
    for line in (
        '# poller = "select"  # "select", "poll" or "epoll"',
        "# workers = 1  # whole number, 1 to 64",
        "# allow = []  # network or list of networks",
        "#   certificate =  # text; required",
        '# connection_timeout = "0s"  # duration',
    ):
        assert line in text.splitlines()


def test_the_default_text_has_the_tables_inside() -> None:
    lines = default_text(KINDS).splitlines()
    assert "#   [[listeners.http.routes]]" in lines
    assert "#   [[listeners.http.tls]]" in lines
    for name, kind in KINDS.items():
        for key in keys(kind.options):
            if key.table:
                header = f"listeners.{name}.{key.table}]"
                start = next(number for number, line in enumerate(lines) if header in line)
                assert any(line.startswith(f"#   {key.name} =") for line in lines[start:])


def test_the_effective_text_reads_back_the_same() -> None:
    config = parse_config(EVERYTHING, "f", KINDS)
    text = effective_text(config)
    assert parse_config(text, "f", KINDS) == config
    assert 'drain_timeout = "1500ms"' in text


def test_keys_are_marked_if_they_need_a_new_worker_and_include_inner_tables() -> None:
    echo = {key.name: key for key in keys(KINDS["echo"].options)}
    assert echo["concurrency"].needs_new_worker
    assert fields_for_new_workers(KINDS["echo"].options) == ("concurrency",)
    assert not echo["tag"].needs_new_worker
    assert echo["kind"].default in ("", '"echo"')
    http = [(key.table, key.name) for key in keys(KINDS["http"].options)]
    assert ("routes", "directory") in http


@pytest.mark.parametrize("name", KINDS)
def test_every_default_is_toml(name: str) -> None:
    for key in keys(KINDS[name].options):
        if key.default:
            assert "x" in tomllib.loads(f"x = {key.default}")


def test_the_effective_text_has_no_secret() -> None:
    stored = hash_password("sesame", bytes(16))
    text = f"""
[listeners.b]
kind = "chat"
address = "tcp://127.0.0.1:0"
password = "hunter2"
opers = [{{ name = "ann", password = "hunter2" }}]
accounts = [{{ name = "ann", password = "{stored}" }}, {{ name = "bob", local_user = "bob" }}]
[listeners.c]
kind = "http"
address = "tcp://127.0.0.1:0"
[[listeners.c.routes]]
text = "x"
users = {{ ann = "{stored}" }}
"""
    shown = effective_text(parse_config(text, "f", KINDS))
    assert "hunter2" not in shown
    assert "scrypt" not in shown
    listeners = tomllib.loads(shown)["listeners"]
    assert listeners["b"]["password"] == "..."
    assert [account["password"] for account in listeners["b"]["accounts"]] == ["...", ""]
    assert listeners["c"]["routes"][0]["users"] == {"ann": "..."}

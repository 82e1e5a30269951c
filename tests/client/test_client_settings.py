from __future__ import annotations

from pathlib import Path

import pytest

from netd.client.client_settings import ClientSettings, UsageError, read_settings


def settle(*argv: str, login: str = "bob", environ: dict[str, str] | None = None) -> ClientSettings:
    return read_settings(
        list(argv), environ or {"XDG_CONFIG_HOME": "/nowhere"}, login, at_terminal=True
    )


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "chat.toml"
    path.write_text(text)
    return str(path)


def test_without_an_address_the_local_daemon_is_tried() -> None:
    settings = settle(environ={"XDG_CONFIG_HOME": "/nowhere", "XDG_RUNTIME_DIR": "/run/user/7"})
    assert [str(endpoint) for endpoint in settings.endpoints] == [
        "/run/netd/lounge.sock",
        "/run/user/7/netd/lounge.sock",
        "127.0.0.1:6667",
    ]
    assert settings.identity.name == "bob"
    assert settings.identity.channels == ("#lounge",)


@pytest.mark.parametrize(
    ("argv", "endpoint"),
    [
        (["--host", "irc.example"], "irc.example:6667"),
        (["--host", "irc.example", "--tls"], "irc.example:6697"),
        (["--host", "::1", "--port", "7"], "[::1]:7"),
        (["--port", "7000"], "127.0.0.1:7000"),
        (["irc.example:7"], "irc.example:7"),
        (["irc.example", "--tls"], "irc.example:6697"),
    ],
)
def test_options_choose_the_address(argv: list[str], endpoint: str) -> None:
    assert [str(endpoint) for endpoint in settle(*argv).endpoints] == [endpoint]


def test_the_command_line_overrides_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path, 'name = "al"\nhost = "there"\nport = 7\nchannel = "#dev"\nquiet = true\n'
    )
    settings = settle("--config", path)
    assert (settings.identity.name, settings.identity.channels, settings.is_quiet) == (
        "al",
        ("#dev",),
        True,
    )
    assert [str(endpoint) for endpoint in settings.endpoints] == ["there:7"]
    over = settle("--config", path, "--name", "bo", "--channel", "x", "--channel", "#y", "here")
    assert (over.identity.name, over.identity.channels) == ("bo", ("#x", "#y"))
    assert [str(endpoint) for endpoint in over.endpoints] == ["here:6667"]


def test_the_default_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "netd").mkdir()
    (tmp_path / "netd/chat.toml").write_text('name = "al"')
    assert settle(environ={"XDG_CONFIG_HOME": str(tmp_path)}).identity.name == "al"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nmae = 'al'", "nmae: no such key"),
        ("port = '7'", "port: must be a whole number, not '7'"),
        ("port = true", "port: must be a whole number, not True"),
        ("channel = [1]", "channel: must be a list"),
        ('password_file = "a\\u0000b"', "password_file: 'a\\x00b' holds a NUL"),
        ("name = ", "Invalid value"),
    ],
)
def test_an_error_in_the_file_names_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as raised:
        settle("--config", path)
    assert str(raised.value).startswith(f"{path}: ")
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--config", "/no/such"], "/no/such: no such file"),
        (["--password-file", "/no/such"], "/no/such"),
        (["--name", "two words"], "cannot be a name"),
        (["--name", "1st"], "cannot be a name"),
        (["--channel", "#a b"], "cannot be a channel"),
        (["--port", "x"], "--port"),
        (["--port", "0"], "between 1 and 65535"),
        (["a:1", "--host", "b"], "not both"),
        (["--timeout", "0"], "--timeout"),
        (["--timeout", "nan"], "--timeout"),
        (["--send", ""], "--send needs a text"),
        (["--send", " \n"], "--send needs a text"),
        (["--name", "b\udcff"], "cannot be a name"),
        (["--channel", "#\udcff"], "cannot be a channel"),
        (["--host", "a..b"], "'a..b' cannot be a host's name"),
        (["--nonsense"], "--help"),
    ],
)
def test_an_invalid_command_line_is_a_usage_error(argv: list[str], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        settle(*argv)
    assert words in str(raised.value)


def test_the_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("pass word\nsecond\n")
    assert settle("--password-file", str(path)).identity.password == "pass word"
    assert settle("--server-password-file", str(path)).identity.server_password == "pass word"


def test_a_login_name_becomes_a_valid_nick() -> None:
    assert settle(login="bob.smith@corp").identity.name == "bob_smith_corp"


def test_a_script_does_not_take_another_name() -> None:
    assert settle().identity.may_rename
    assert not settle("--send", "x").identity.may_rename


def test_scram_needs_a_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    settings = settle("--scram", "--password-file", str(tmp_path / "password"))
    assert settings.identity.uses_scram
    with pytest.raises(UsageError, match="--password-file"):
        settle("--scram")

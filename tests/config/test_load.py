from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from netd.config.address import ALL_SCHEMES, Scheme
from netd.config.load import parse_config, read_config
from netd.config.model import ListenerOptions
from netd.config.paths import find_config
from netd.errors import ConfigError
from netd.listeners.kinds import KINDS

WEB = '[listeners.web]\nkind = "http"\naddress = "tcp://127.0.0.1:80"\n'


def problems(text: str) -> list[str]:
    """What is told of a faulty configuration, a line each."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "netd.toml", KINDS)
    return str(caught.value).splitlines()


def test_kind_and_address_suffice() -> None:
    for kind in KINDS:
        text = f'[listeners.a]\nkind = "{kind}"\naddress = "tcp://127.0.0.1:0"\n'
        [options] = parse_config(text, "netd.toml", KINDS).listeners.values()
        assert type(options) is KINDS[kind].options
        assert options.workers == 1


def test_one_address_or_many() -> None:
    one = parse_config(WEB, "f", KINDS).listeners["web"]
    many = parse_config(WEB.replace('"tcp', '["tcp').replace('80"', '80"]'), "f", KINDS)
    assert one == many.listeners["web"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (WEB + "workers = 0\n", "netd.toml:4: listeners.web.workers: 0 is below 1"),
        (WEB + "workers = 65\n", "netd.toml:4: listeners.web.workers: 65 is above 64"),
        (
            WEB + "workers = true\n",
            "netd.toml:4: listeners.web.workers: expected a whole number, found true",
        ),
        (
            WEB + 'workers = "2"\n',
            "netd.toml:4: listeners.web.workers: expected a whole number, found '2'",
        ),
        (
            WEB.replace('"http"', '"echo"') + 'tag = "yes"\n',
            "netd.toml:4: listeners.web.tag: expected true or false, found 'yes'",
        ),
        (
            WEB + 'workers = "two"\n',
            "netd.toml:4: listeners.web.workers: expected a whole number, found 'two'",
        ),
        (
            WEB + "worker = 2\n",
            "netd.toml:4: listeners.web.worker: unknown key; did you mean 'workers'?",
        ),
        (WEB + "frobnicate = 2\n", "netd.toml:4: listeners.web.frobnicate: unknown key"),
        (
            WEB + '[[listeners.web.routes]]\npath = "/"\ntxet = "x"\n',
            "netd.toml:6: listeners.web.routes.0.txet: unknown key; did you mean 'text'?",
        ),
        (
            WEB.replace("tcp://127.0.0.1:80", "tcp://127.0.0.1:x"),
            (
                "netd.toml:3: listeners.web.address: 'tcp://127.0.0.1:x' needs a host and a port, "
                "as in tcp://127.0.0.1:7000"
            ),
        ),
        (
            '[listeners.web]\nkind = "http"\n',
            "netd.toml:1: listeners.web.address: is missing",
        ),
        (
            '[listeners.web]\naddress = "tcp://[::]:80"\n',
            "netd.toml:1: listeners.web.kind: is missing; write one of echo, chat, http",
        ),
        (
            WEB.replace('"http"', '"htpp"'),
            (
                "netd.toml:2: listeners.web.kind: 'htpp' is no kind; "
                "write one of echo, chat, http; did you mean 'http'?"
            ),
        ),
        (
            WEB.replace('"http"', "7"),
            "netd.toml:2: listeners.web.kind: 7 is no kind; write one of echo, chat, http",
        ),
        (
            WEB.replace("tcp", "udp"),
            (
                "netd.toml:3: listeners.web.address: http cannot listen on udp://; "
                "write tcp://, unix://"
            ),
        ),
        (
            WEB.replace('"http"', '"chat"') + "workers = 2\n",
            "netd.toml:4: listeners.web.workers: 2 is not allowed; write 1",
        ),
        (
            WEB.replace('"http"', '"chat"') + 'topic = """Tea\n"""\n',
            "netd.toml:4: listeners.web.topic: 'Tea\\n' must be one line",
        ),
        (
            WEB.replace('"http"', '"chat"') + 'topic = "Tea\\rand"\n',
            "netd.toml:4: listeners.web.topic: 'Tea\\rand' must be one line",
        ),
        (
            WEB.replace('"http"', '"chat"') + 'admin = ["Ann",\n"a\\nb"]\n',
            "netd.toml:5: listeners.web.admin.1: 'a\\nb' must be one line",
        ),
        (
            WEB + "routes = [{ health = false }]\n",
            "netd.toml:4: listeners.web.routes.0.health: false is not allowed; write true",
        ),
        (
            '[netd]\ndrain_timeout = "10 parsecs"\n' + WEB,
            (
                "netd.toml:2: netd.drain_timeout: '10 parsecs' is not a duration; "
                "write a number and one of ms, s, m, h, d"
            ),
        ),
        (
            "[netd]\ndrain_timeout = true\n" + WEB,
            "netd.toml:2: netd.drain_timeout: expected a duration, such as 10s, found true",
        ),
        (
            WEB + 'allow = ["10.0.0.0/8", "10.0.0.300"]\n',
            (
                "netd.toml:4: listeners.web.allow.1: '10.0.0.300' is no network, "
                "such as 10.0.0.0/8 or ::1"
            ),
        ),
        ("[network]\n" + WEB, "netd.toml:1: network: unknown table"),
        ("[listener.a]\n" + WEB, "netd.toml:1: listener: unknown table; did you mean 'listeners'?"),
        ("", "netd.toml: listeners: no listener is declared; add a [listeners.NAME] table"),
        ("listeners = 3\n", "netd.toml:1: listeners: expected tables, as in [listeners.web]"),
        (
            "[listeners]\nweb = 3\n",
            "netd.toml:2: listeners.web: expected a table, as in [listeners.web]",
        ),
        ("netd = 3\n" + WEB, "netd.toml:1: netd: expected a table, found 3"),
        (
            '[listeners."a b"]\nkind = "http"\naddress = "tcp://[::]:80"\n',
            (
                "netd.toml:1: listeners.a b: a name has 1 to 32 letters, digits, - and _, "
                "a letter or digit first"
            ),
        ),
        (
            WEB + WEB.replace("web", "too"),
            (
                "netd.toml:6: listeners.too.address: tcp://127.0.0.1:80 is taken by listeners.web "
                "(tcp://127.0.0.1:80)"
            ),
        ),
        (
            WEB + WEB.replace("web", "too").replace("127.0.0.1", "[::]"),
            (
                "netd.toml:6: listeners.too.address: tcp://[::]:80 is taken by listeners.web "
                "(tcp://127.0.0.1:80)"
            ),
        ),
    ],
)
def test_a_fault_is_told_with_file_line_and_what_is_allowed(text: str, told: str) -> None:
    assert problems(text) == [told]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("=", "expected a line such as key = value or [table]"),
        ("server = netd", 'no value that TOML knows; text needs quotes, as in "echo"'),
        (
            "keepalive_timeout = 10s",
            'unexpected text after the value; text needs quotes, as in "10s"',
        ),
        ('kind = "http"', "this key or table has been given before"),
        ("[listeners.web]", "the table [listeners.web] has been declared before"),
        ("workers : 2", "expected '=' after a key in a key/value pair"),
    ],
)
def test_a_syntax_error_is_told_in_plain_words(line: str, told: str) -> None:
    assert problems(f"{WEB}{line}\n") == [f"netd.toml:4: {told}"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('access_log = "/var/log/\\u0000"', "access_log: holds a NUL character, which no text may"),
        ('headers = { X = "\\u0000" }', "headers.X: holds a NUL character, which no text may"),
        (f"max_fields = 0x{'f' * 5000}", "max_fields: the number is too large"),
        (f'max_body = "{"9" * 400}GiB"', "max_body: 999999999... is too large for a size"),
        (f"routes = {'[' * 200}{']' * 200}", "routes: lists or tables are nested too deeply"),
        (f"headers{'.x' * 5000} = 1", "headers: lists or tables are nested too deeply"),
    ],
)
def test_what_no_key_can_mean_is_told_with_its_line(line: str, told: str) -> None:
    assert problems(f"{WEB}{line}\n") == [f"netd.toml:4: listeners.web.{told}"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("[" * 3000, "lists or tables are nested too deeply"),
        ("9" * 5000, "a number is too long"),
    ],
)
def test_a_monstrous_value_is_refused(value: str, told: str) -> None:
    assert problems(f"x = {value}\n") == [f"netd.toml: {told}"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('socket_mode = "rw"', "socket_mode: 'rw' is not allowed; write it as in '0666'"),
        ("socket_mode = 600", "socket_mode: expected text in quotes such as '0666', found 600"),
        ("backlog = 2020-01-01", "backlog: expected a whole number, found '2020-01-01'"),
        ("x = 1", "x: unknown key"),
        ("allow = true", "allow: expected text in quotes or a list of them, found true"),
        ("headers = { a = 5 }", "headers.a: expected text in quotes, found 5"),
        ('headers = { date = "a" }', "headers.date: netd itself sends this field"),
        ("allow = 10", "allow: expected text in quotes or a list of them, found 10"),
        ("routes = 5", "routes: expected a list, found 5"),
        (
            'routes = { path = "/" }',
            (
                "routes: expected a list of tables; "
                "write its name in double brackets, as in [[NAME]]"
            ),
        ),
        ("routes = [5]", "routes.0: expected a table, found 5"),
        ('routes = [{ path = "a", text = "" }]', "routes.0.path: 'a' must begin with /"),
        ('routes = [{ dir = "/a" }]', "routes.0.dir: unknown key; did you mean 'directory'?"),
    ],
)
def test_a_value_of_the_wrong_form_is_told_by_an_example(line: str, told: str) -> None:
    assert problems(f"{WEB}{line}\n") == [f"netd.toml:4: listeners.web.{told}"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("inf", "heartbeat_timeout: expected a finite number, found inf"),
        ('"500ms"', "heartbeat_timeout: '500ms' is below 1s"),
    ],
)
def test_a_bound_is_told_in_the_keys_own_unit(value: str, told: str) -> None:
    text = f"[netd]\nheartbeat_timeout = {value}\n{WEB}"
    assert problems(text) == [f"netd.toml:2: netd.{told}"]


@pytest.mark.parametrize("addresses", ['["80"]', '["tcp://[::]"]', "[80]"])
def test_a_faulty_item_is_one_fault(addresses: str) -> None:
    [told] = problems(f'[listeners.web]\nkind = "http"\naddress = {addresses}\n')
    assert told.startswith("netd.toml:3: listeners.web.address.0: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'kind = "echo"\n',
            "kind: is in no table; write [netd] or [listeners.NAME] above it",
        ),
        ('[web]\nkind = "http"\n', "web: unknown table; a listener's is [listeners.web]"),
        (
            '[[listeners.web]]\nkind = "http"\n',
            "listeners.web: expected one table; write [listeners.web] in single brackets",
        ),
        (
            'listeners.kind = "echo"\n',
            (
                "listeners.kind: is in no listener; "
                "write its table's name above it, as in [listeners.web]"
            ),
        ),
    ],
)
def test_what_stands_in_the_wrong_place_is_told_where_to_stand(text: str, told: str) -> None:
    assert problems(text) == [f"netd.toml:1: {told}"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "flood_control = false",
            "flood_control: was removed; write flood_rate = 0 to turn flood control off",
        ),
        (
            'description = "chat"',
            "description: was removed; clients are shown `network` instead",
        ),
    ],
)
def test_a_removed_key_is_refused_with_advice(line: str, message: str) -> None:
    chat = WEB.replace('"http"', '"chat"')
    assert problems(f"{chat}{line}\n") == [f"netd.toml:4: listeners.web.{message}"]


def test_a_listener_without_a_kind_is_still_judged_by_what_all_have() -> None:
    assert problems('[listeners.web]\nkind = "HTTP"\nworkers = 0\nroutes = 3\n') == [
        "netd.toml:1: listeners.web.address: is missing",
        (
            "netd.toml:2: listeners.web.kind: 'HTTP' is no kind; "
            "write one of echo, chat, http; did you mean 'http'?"
        ),
        "netd.toml:3: listeners.web.workers: 0 is below 1",
    ]


def test_a_form_without_an_example_is_told_as_it_is() -> None:
    chat = WEB.replace('"http"', '"chat"')
    [told] = problems(f'{chat}opers = [{{ name = "a b", password = "p" }}]\n')
    assert "netd.toml:4: listeners.web.opers.0.name: 'a b' does not fit ^" in told


def test_the_control_socket_needs_an_absolute_path() -> None:
    assert problems(f'[netd]\ncontrol = "control.sock"\n{WEB}') == [
        "netd.toml:2: netd.control: 'control.sock' must begin with /"
    ]


@dataclass(frozen=True, kw_only=True)
class PlainOptions(ListenerOptions):
    """A kind's options that narrow nothing."""

    token: UUID | None = None
    """A value that no kind has."""


@dataclass(frozen=True)
class PlainKind:
    """A kind that takes one worker, though its options would take more."""

    options: type[ListenerOptions] = PlainOptions
    schemes: frozenset[Scheme] = ALL_SCHEMES
    max_workers: int = 1


def test_a_kinds_own_limits_hold_and_no_fault_goes_untold() -> None:
    head = '[listeners.a]\nkind = "plain"\naddress = "tcp://[::]:1"\n'
    kinds = {"plain": PlainKind()}
    with pytest.raises(
        ConfigError, match=r"a\.workers: 2 is above 1, the most that plain can have"
    ):
        parse_config(f"{head}workers = 2\n", "f", kinds)
    with pytest.raises(
        ConfigError, match=r"f:4: listeners\.a\.token: 'x': Input should be a valid"
    ):
        parse_config(f"{head}token = 'x'\n", "f", kinds)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "netd.toml"
    path.write_text(WEB, encoding="utf-8-sig")
    assert list(read_config(str(path), KINDS).listeners) == ["web"]


def test_a_syntax_error_at_the_end_names_the_last_line() -> None:
    [told] = problems(WEB + "x = [1,\n\n")
    assert told.startswith("netd.toml:4: ")


def test_every_fault_is_told_at_once_in_the_files_order() -> None:
    text = "[netd]\ncontrl = 1\n" + WEB + 'workers = 0\nbacklog = "x"\n[listeners.b]\n'
    assert [line.split(": ")[0] for line in problems(text)] == [
        "netd.toml:2",
        "netd.toml:6",
        "netd.toml:7",
        "netd.toml:8",
        "netd.toml:8",
    ]


def test_port_zero_and_unix_paths_clash_only_where_they_are_the_same() -> None:
    zero = WEB.replace(":80", ":0")
    assert len(parse_config(zero + zero.replace("web", "too"), "f", KINDS).listeners) == 2
    unix = '[listeners.{}]\nkind = "http"\naddress = "unix:///run/x"\n'
    assert "is taken by listeners.a" in problems(unix.format("a") + unix.format("b"))[0]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"netd\.toml: no such file or directory"):
        read_config(str(tmp_path / "netd.toml"), KINDS)
    (tmp_path / "netd.toml").write_bytes(b"# fine\n# \xff\n")
    with pytest.raises(ConfigError, match=r"netd\.toml:2: is not UTF-8 text"):
        read_config(str(tmp_path / "netd.toml"), KINDS)


def test_the_users_own_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_system_config: Callable[[], None]
) -> None:
    no_system_config()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="netd config default >"):
        find_config(None)
    (tmp_path / "netd").mkdir()
    own = tmp_path / "netd" / "netd.toml"
    own.write_text(WEB)
    assert find_config(None) == str(own)
    assert find_config("/elsewhere") == "/elsewhere"


@pytest.fixture
def no_system_config() -> Callable[[], None]:
    """Skip where this machine has a netd of its own installed."""

    def skip_if_installed() -> None:
        if Path("/etc/netd.toml").exists():
            pytest.skip("/etc/netd.toml exists")

    return skip_if_installed

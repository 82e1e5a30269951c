from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest

from netd.config.address import ALL_SCHEMES, Scheme
from netd.config.load import parse_config
from netd.config.model import ListenerOptions
from netd.errors import ConfigError
from netd.listeners.http.options import HttpOptions
from netd.listeners.kinds import KINDS
from tests.support import cheap_hash

ALL_KINDS = ", ".join(KINDS)
LOUNGE = '[listeners.lounge]\nkind = "chat"\naddress = "tcp://127.0.0.1:6667"\n'
WEB = '[listeners.web]\nkind = "http"\naddress = "tcp://127.0.0.1:80"\n'


def problems(text: str) -> list[str]:
    """The messages for a faulty configuration."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "netd.toml", KINDS)
    return str(caught.value).splitlines()


def test_only_kind_and_address_are_required() -> None:
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
    ("text", "message"),
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
            WEB.replace('"tcp://127.0.0.1:80"', "8080"),
            (
                "netd.toml:3: listeners.web.address: 8080 is not an address; "
                "write tcp://[::]:8080 for all addresses of this machine"
            ),
        ),
        (
            WEB.replace("tcp://127.0.0.1:80", "tcp://127.0.0.1:x"),
            (
                "netd.toml:3: listeners.web.address: 'tcp://127.0.0.1:x' is not a host and a port; "
                "write it as in tcp://127.0.0.1:7000"
            ),
        ),
        (
            '[listeners.web]\nkind = "http"\n',
            "netd.toml:1: listeners.web.address: is missing",
        ),
        (
            '[listeners.web]\naddress = "tcp://[::]:80"\n',
            f"netd.toml:1: listeners.web.kind: is missing; write one of {ALL_KINDS}",
        ),
        (
            WEB.replace('"http"', '"htpp"'),
            (
                "netd.toml:2: listeners.web.kind: 'htpp' is not a kind; "
                f"write one of {ALL_KINDS}; did you mean 'http'?"
            ),
        ),
        (
            WEB.replace('"http"', "7"),
            f"netd.toml:2: listeners.web.kind: 7 is not a kind; write one of {ALL_KINDS}",
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
            (
                "netd.toml:4: listeners.web.workers: 2 is above 1, which needs `cluster`: "
                "by its engine several workers are one chat"
            ),
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
                "netd.toml:4: listeners.web.allow.1: '10.0.0.300' is not a network, "
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
def test_a_fault_is_reported_with_file_line_and_allowed_values(text: str, message: str) -> None:
    assert problems(text) == [message]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("=", "expected a line such as key = value or [table]"),
        ("server = netd", 'no value that TOML knows; text needs quotes, as in "echo"'),
        (
            "keepalive_timeout = 10s",
            'unexpected text after the value; text needs quotes, as in "10s"',
        ),
        ('kind = "http"', "this key or table has been given before"),
        ("[listeners.web]", "the table [listeners.web] has been declared before"),
        ("workers : 2", "expected key = value, with = in place of :"),
        ("listing = yes", "write true, in small letters and without quotes"),
        ("gzip = [False]", "write false, in small letters and without quotes"),
        ("tls = null", "TOML has no empty value; remove the line"),
        ("server = \u201cnetd\u201d", "a typographic quotation mark; write \" or '"),
        ('server = "netd', "the text has no closing quotation mark on its line"),
        ('server = "C:\\www"', "write \\ twice, or put the text in single quotes: '...'"),
        ("headers = {\n  X = 'a'\n}", "an inline table { } must be on one line; write a [table]"),
        ("// a comment", "a comment begins with #"),
        ("workers = 2;", "a line ends without ;"),
    ],
)
def test_a_syntax_error_is_reported_in_plain_words(line: str, message: str) -> None:
    [problem] = problems(f"{WEB}{line}\n")
    assert problem.startswith(f"netd.toml:4: {message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('access_log = "/var/log/\\u0000"', "access_log: holds a NUL character, which no text may"),
        ('headers = { X = "\\u0000" }', "headers.X: holds a NUL character, which no text may"),
        (f"max_fields = 0x{'f' * 5000}", "max_fields: the number is too large"),
        (f'max_body = "{"9" * 400}GiB"', "max_body: 999999999... is too large for a size"),
        (f"routes = {'[' * 200}{']' * 200}", "routes: lists or tables are nested too deeply"),
        (f"headers{'.x' * 5000} = 1", "headers: lists or tables are nested too deeply"),
    ],
)
def test_a_value_that_no_key_can_have_is_reported_with_its_line(line: str, message: str) -> None:
    assert problems(f"{WEB}{line}\n") == [f"netd.toml:4: listeners.web.{message}"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[" * 3000, "lists or tables are nested too deeply"),
        ("9" * 5000, "a number is too long"),
    ],
)
def test_a_value_that_is_too_large_to_parse_is_refused(value: str, message: str) -> None:
    assert problems(f"x = {value}\n") == [f"netd.toml: {message}"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('socket_mode = "rw"', "socket_mode: 'rw' is not allowed; write it as in '0666'"),
        ("socket_mode = 600", "socket_mode: expected text in quotes such as '0666', found 600"),
        ("backlog = 2020-01-01", "backlog: expected a whole number, found '2020-01-01'"),
        ("x = 1", "x: unknown key"),
        ("allow = true", "allow: expected text in quotes or a list of them, found true"),
        ("headers = { a = 5 }", "headers.a: expected text in quotes, found 5"),
        ('headers = { date = "a" }', "headers.date: netd itself sends this field"),
        ("allow = 10", "allow: 10 is not a network, such as 10.0.0.0/8 or ::1"),
        (
            'allow = "10.0.0.1/8"',
            "allow: '10.0.0.1/8' has bits beyond its prefix; write 10.0.0.0/8 or 10.0.0.1",
        ),
        ("tls = true", 'tls: expected a table, as in { certificate = "..." }, found true'),
        ('listen = "x"', "listen: unknown key; did you mean 'address'?"),
        (
            'routes = [{ text = "", workers = 2 }]',
            (
                "routes.0.workers: is a key of the listener itself; "
                "write it above the first [[...routes]]"
            ),
        ),
        (
            'access_log = "~/log"',
            "access_log: '~/log' is not expanded as in a shell; write the whole path",
        ),
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
def test_a_value_of_the_wrong_form_is_reported_with_an_example(line: str, message: str) -> None:
    assert problems(f"{WEB}{line}\n") == [f"netd.toml:4: listeners.web.{message}"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("inf", "heartbeat_timeout: expected a finite number, found inf"),
        ('"500ms"', "heartbeat_timeout: '500ms' is below 1s"),
    ],
)
def test_a_bound_is_reported_in_the_unit_of_the_key(value: str, message: str) -> None:
    text = f"[netd]\nheartbeat_timeout = {value}\n{WEB}"
    assert problems(text) == [f"netd.toml:2: netd.{message}"]


@pytest.mark.parametrize("addresses", ['["80"]', '["tcp://[::]"]', "[80]"])
def test_a_faulty_item_is_one_fault(addresses: str) -> None:
    [message] = problems(f'[listeners.web]\nkind = "http"\naddress = {addresses}\n')
    assert message.startswith("netd.toml:3: listeners.web.address.0: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'kind = "echo"\n',
            "kind: is in no table; write [netd] or [listeners.NAME] above it",
        ),
        ('[web]\nkind = "http"\n', "web: unknown table; a listener's is [listeners.web]"),
        (f"[[routes]]\n{WEB}", "routes: belongs to a listener; write [[listeners.web.routes]]"),
        (f"[tls]\n{WEB}{LOUNGE}", "tls: belongs to a listener; write [listeners.NAME.tls]"),
        (
            f"[[listeners.wep.routes]]\n{WEB}",
            "listeners.wep: is not declared as a listener; declared are web",
        ),
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
def test_the_error_for_a_misplaced_key_names_its_place(text: str, message: str) -> None:
    assert problems(text) == [f"netd.toml:1: {message}"]


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


def test_a_listener_without_a_kind_is_checked_for_the_common_keys() -> None:
    assert problems('[listeners.web]\nkind = "HTTP"\nworkers = 0\nroutes = 3\n') == [
        "netd.toml:1: listeners.web.address: is missing",
        (
            "netd.toml:2: listeners.web.kind: 'HTTP' is not a kind; "
            f"write one of {ALL_KINDS}; did you mean 'http'?"
        ),
        "netd.toml:3: listeners.web.workers: 0 is below 1",
    ]


def test_a_pattern_without_an_example_is_reported_itself() -> None:
    chat = WEB.replace('"http"', '"chat"')
    [message] = problems(f'{chat}opers = [{{ name = "a b", password = "p" }}]\n')
    assert "netd.toml:4: listeners.web.opers.0.name: 'a b' does not fit ^" in message


@pytest.mark.parametrize("letter", ["x", "é"])
def test_the_path_of_the_control_socket_fits_a_socket_address(letter: str) -> None:
    path = "/" + letter * (106 // len(letter.encode()))
    assert parse_config(f'[netd]\ncontrol = "{path}"\n{WEB}', "f", KINDS).netd.control == path
    assert problems(f'[netd]\ncontrol = "{path}xx"\n{WEB}') == [
        "netd.toml:2: netd.control: a socket's path holds at most 107 bytes"
    ]


def test_the_control_socket_needs_an_absolute_path() -> None:
    assert problems(f'[netd]\ncontrol = "control.sock"\n{WEB}') == [
        "netd.toml:2: netd.control: 'control.sock' must begin with /"
    ]


def test_a_route_can_lead_to_a_chat_listener() -> None:
    config = parse_config(f"{WEB}routes = [{{ chat = 'lounge' }}]\n{LOUNGE}", "netd.toml", KINDS)
    assert config.listeners["web"].handoffs() == {("routes", 0, "chat"): "lounge"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("longue", "there is no listener 'longue'; did you mean 'lounge'?"),
        ("web", "'web' is of kind http, which takes no connections"),
    ],
)
def test_a_route_cannot_lead_elsewhere(target: str, message: str) -> None:
    text = f"{WEB}[[listeners.web.routes]]\nchat = '{target}'\n{LOUNGE}"
    assert problems(text) == [f"netd.toml:5: listeners.web.routes.0.chat: {message}"]


POST = "post = 'lounge', channel = '#ops', nick = 'deploy'"


@pytest.mark.parametrize("secret", ["token = '0123456789abcdef'", "allow = '::1'"])
def test_a_route_for_scripts(secret: str) -> None:
    config = parse_config(f"{WEB}routes = [{{ {POST}, {secret} }}]\n{LOUNGE}", "netd.toml", KINDS)
    assert config.listeners["web"].handoffs() == {("routes", 0, "post"): "lounge"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (POST, ": a route with `post` needs either token or users, or at least allow"),
        ("post = 'lounge', allow = '::1'", ": a route with `post` needs channel and nick"),
        (f"{POST}, token = 'short'", ".token: '...' does not fit "),
        (f"{POST}, token = '{cheap_hash('x')}'", ".token: write the token itself: "),
        ("post = 'lounge', channel = 'ops'", ".channel: 'ops' does not fit "),
        ("post = 'lounge', channel = '#a,#b'", ".channel: '#a,#b' does not fit "),
        ("post = 'lounge', nick = 'a b'", ".nick: 'a b' does not fit "),
        (POST.replace("lounge", "web") + ", allow = '::1'", ".post: 'web' is of kind http, "),
    ],
)
def test_a_route_for_scripts_with_a_fault(keys: str, message: str) -> None:
    [problem] = problems(f"{WEB}routes = [{{ {keys} }}]\n{LOUNGE}")
    assert problem.startswith(f"netd.toml:4: listeners.web.routes.0{message}")


def test_a_route_to_a_listener_with_faults_has_none_of_its_own() -> None:
    text = f"{WEB}[[listeners.web.routes]]\nchat = 'lounge'\n[listeners.lounge]\nkind = 'chat'\n"
    assert problems(text) == ["netd.toml:6: listeners.lounge.address: is missing"]


@pytest.mark.parametrize("origin", ["www.example.org", "https://www.example.org/", "ftp://x", ""])
def test_an_origin_has_a_scheme_and_a_host(origin: str) -> None:
    text = f"{WEB}routes = [{{ chat = 'lounge', origins = '{origin}' }}]\n{LOUNGE}"
    [message] = problems(text)
    assert "is not an origin, such as https://www.example.org" in message


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
    takes_handoffs: bool = False


def test_limits_of_a_kind_are_checked_and_an_unknown_fault_is_reported() -> None:
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


def test_a_syntax_error_at_the_end_names_the_last_line() -> None:
    [message] = problems(WEB + "x = [1,\n\n")
    assert message.startswith("netd.toml:4: ")


def test_all_faults_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = "[netd]\ncontrl = 1\n" + WEB + 'workers = 0\nbacklog = "x"\n[listeners.b]\n'
    assert [line.split(": ")[0] for line in problems(text)] == [
        "netd.toml:2",
        "netd.toml:6",
        "netd.toml:7",
        "netd.toml:8",
        "netd.toml:8",
    ]


def test_equal_unix_paths_conflict_and_port_zero_does_not() -> None:
    zero = WEB.replace(":80", ":0")
    assert len(parse_config(zero + zero.replace("web", "too"), "f", KINDS).listeners) == 2
    unix = '[listeners.{}]\nkind = "http"\naddress = "unix:///run/x"\n'
    assert "is taken by listeners.a" in problems(unix.format("a") + unix.format("b"))[0]


CHAT = '[listeners.lounge]\nkind = "chat"\naddress = "tcp://127.0.0.1:0"\n'


@pytest.mark.parametrize(
    "text",
    [
        f"{CHAT}password = 8154711\n",
        f'{CHAT}password = ["hunter2"]\n',
        f'{CHAT}opers = "ann:hunter2"\n',
        f'{CHAT}opers = ["ann:hunter2"]\n',
        f'{CHAT}opers = [["ann", "hunter2"]]\n',
        f'{CHAT}opers = {{ name = "ann", password = "hunter2" }}\n',
        f'{CHAT}accounts = [{{ name = "ann", password = {{ hunter2 = "hunter2" }} }}]\n',
        f'{CHAT}accounts = [{{ name = "ann", password = "hunter2", fingerprints = 5 }}]\n',
        f'{CHAT}pasword = "hunter2"\n',
        f'{CHAT}password = "hunter2\n',
        f'{CHAT}password = "hunter2" hunter2\n',
        f'{CHAT}[listeners.lounge.password]\nx = "hunter2"\n',
        f'{WEB}routes = [{{ text = "", users = {{ ann = "hunter2" }} }}]\n',
        f'{WEB}routes = [{{ text = "", users = {{ ann = 8154711 }} }}]\n',
        f'{WEB}routes = [{{ text = "", users = "ann:hunter2" }}]\n',
        f'{WEB}routes = [{{ text = "", users = {{ ann = "$scrypt$ln=hunter2" }} }}]\n',
        f'{WEB}routes = [{{ users = {{ ann = "hunter2" }} }}]\n',
        f'{WEB}routes = {{ users = {{ ann = "hunter2" }} }}\n',
    ],
)
def test_no_message_has_a_password(text: str) -> None:
    messages = "\n".join(problems(text))
    assert "hunter2" not in messages
    assert "8154711" not in messages


@pytest.mark.parametrize(
    "text",
    [
        f'{CHAT}password = "..."\n',
        f'{WEB}routes = [{{ text = "", users = {{ ann = "..." }} }}]\n',
    ],
)
def test_the_output_of_config_show_is_no_password(text: str) -> None:
    assert "stands for a secret that is not shown" in problems(text)[0]


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ('path = "/a%20b"', "path: '/a%20b' is compared with decoded paths; write '/a b'"),
        ('path = "/a//b"', "path: '/a//b' matches no request; empty, . and .. segments"),
        ('path = "//"', "path: '//' matches no request; empty, . and .. segments"),
        ('path = "/a/../b"', "path: '/a/../b' matches no request; empty, . and .. segments"),
        ('path = "/a/."', "path: '/a/.' matches no request; empty, . and .. segments"),
        ('path = "/a\\tb"', "path: '/a\\tb' is not allowed"),
        ('host = "example.org:80"', "host: 'example.org:80' is not a host name; write it without"),
        ('host = "http://example.org"', "host: 'http://example.org' is not a host name"),
        ('host = "*"', "host: '*' is not a host name"),
        ('host = ["a", "straße.example"]', "host.1: 'straße.example' has several forms in ASCII"),
    ],
)
def test_a_route_that_matches_no_request_is_refused(route: str, message: str) -> None:
    [problem] = problems(f'{WEB}routes = [{{ text = "", {route} }}]\n')
    assert message in problem


def test_a_host_is_kept_as_clients_send_it() -> None:
    hosts = '["*.BÜCHER.example", "A.example."]'
    config = parse_config(f'{WEB}routes = [{{ text = "", host = {hosts} }}]\n', "f", KINDS)
    options = config.listeners["web"]
    assert isinstance(options, HttpOptions)
    assert options.routes[0].host == ("*.xn--bcher-kva.example", "a.example")


@pytest.mark.parametrize(
    ("route", "message"),
    [
        (
            'redirect = "https://{hots}/"',
            "redirect: {hots} has no meaning; only {host}",
        ),
        (
            'redirect = "example.org"',
            "redirect: 'example.org' must begin with / or a scheme",
        ),
        ('directory = "/", match = "exact"', ": a directory has files below its path"),
    ],
)
def test_a_route_that_cannot_work_is_refused(route: str, message: str) -> None:
    [problem] = problems(f"{WEB}routes = [{{ {route} }}]\n")
    assert message in problem


@pytest.mark.parametrize(
    "route",
    [
        *('path = "/100%"', 'path = "/ä b/"', 'path = "/"', 'path = "/a/..b"', 'path = "/.well"'),
        *('host = "*.Example.org"', 'host = "[::1]"', 'host = "127.0.0.1"', 'host = ""'),
    ],
)
def test_a_route_that_can_match_is_accepted(route: str) -> None:
    assert parse_config(f'{WEB}routes = [{{ text = "", {route} }}]\n', "f", KINDS).listeners

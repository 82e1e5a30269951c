"""Attacks on chat servers, and the configurations of netd and ngircd that they are made on.

Each attack keeps within the limits that netd has by default, except that netd does not limit how
often a loopback address connects.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from netd.protocols.password import hash_password
from tests.bench import harness_process
from tests.bench.attacks_load import BURST, Attack, Client
from tests.bench.attacks_setup import Crowd, Server, Setup
from tests.bench.attacks_victims import COUNT as VICTIMS
from tests.bench.attacks_victims import Service

_FEW, _MANY = 30, 100
_CROWD: Final = 800
_SETTLE_S, _SERVED_S = 5.0, 15.0
_NGIRCD_S: Final = 180.0  # it makes clients wait after each command ("penalty")
_CLIENTS: Final = re.compile(rb" 255 [^\n]*I have (\d+) ")
_PASSWORD: Final = "right"
_NETD: Final = """
kind = "chat"
address = "tcp://127.0.0.1:{port}"
max_connections = 5000
ping_after = "1h"
password = "{password}"
opers = [{{ name = "root", password = "{hash}" }}]
accounts = [{{ name = "owner", password = "{hash}" }}]
"""
_NGIRCD: Final = """
[Global]
Name = irc.bench.test
Info = bench
Listen = 127.0.0.1
Ports = {port}
{password}[Limits]
MaxConnectionsIP = 0
MaxJoins = 60
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
[Operator]
Name = root
Password = a long password in plain text
"""
_serial = itertools.count()


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def _register(nick: str, *lines: str, password: str = "") -> bytes:
    first = (f"PASS {password}",) if password else ()
    return _lines(*first, f"NICK {nick}", "USER b 0 * :b", *lines)


def _nick(attacker: int) -> str:
    """The nick of an attacker, which no attacker of another process has."""
    return f"a{os.getpid() % 10_000:04}{attacker}"


def _channel(attacker: int) -> str:
    return f"#{_nick(attacker)}"


def _member(letter: str, number: int, password: str = "") -> bytes:
    return _register(f"{letter}{number:05}", "JOIN #bench", "PING joined", password=password)


def _attack(
    name: str,
    line: Callable[[int, int], str],
    prepare: Callable[[int], Sequence[str]] = lambda _: (),
    *,
    attackers: int = _FEW,
    is_for_all: bool = True,
) -> Attack:
    """An attack by clients that have registered, and have sent some lines to prepare it."""
    return Attack(
        name,
        attackers,
        lambda number: _register(_nick(number), *prepare(number), "PING ready"),
        lambda number, turn: _lines(*filter(None, [line(number, turn)])),
        greeted=b"ready\r\n",
        is_for_all=is_for_all,
    )


def _channels(attacker: int) -> list[str]:
    names = [f"#{attacker:02}-{number:02}" for number in range(50)]
    return [f"JOIN {','.join(names[at : at + 17])}" for at in range(0, 50, 17)]


def _join(_attacker: int) -> list[str]:
    return ["JOIN #bench"]


def _bans(count: int, form: str, attacker: int) -> list[str]:
    """Join a channel of one's own, and fill its ban list."""
    masks = [form.format(number) for number in range(count)]
    parts = [" ".join(masks[at : at + 3]) for at in range(0, count, 3)]
    modes = [f"MODE {_channel(attacker)} +bbb {part}" for part in parts]
    return [f"JOIN {_channel(attacker)}", *modes]


def _authenticate() -> str:
    wrong = base64.b64encode(f"\0owner\0wrong {next(_serial)}".encode()).decode()
    return f"AUTHENTICATE PLAIN\r\nAUTHENTICATE {wrong}"


def _give_wrong_password(attacker: int) -> bytes:
    return _register(_nick(attacker), password=f"wrong-{next(_serial)}")


def _message_of_100_lines(_attacker: int, _turn: int) -> str:
    lines = ["@batch=1 PRIVMSG #bench :" + "x" * 39] * 100
    return "\r\n".join(["BATCH +1 draft/multiline #bench", *lines, "BATCH -1"])


_ATTACKS: Final = (
    _attack("no attack", lambda _, __: "PING x", attackers=1),
    _attack(
        "`LIST` with 158 conditions",
        lambda _, __: f"LIST {','.join(['>0'] * 158)}",
        _channels,
        is_for_all=False,
    ),
    _attack(
        "`LIST` with 10 masks",
        lambda _, __: f"LIST {','.join(['*' + '?*' * 20] * 10)}",
        _channels,
    ),
    _attack("`WHO` with a mask of 190 characters", lambda _, __: f"WHO *{'?*' * 90}x*"),
    _attack("`WHO` of all members", lambda _, __: "WHO *"),
    _attack("`NAMES` of all members", lambda _, __: "NAMES #bench", _join),
    _attack("`JOIN` and `PART`", lambda _, turn: f"{('JOIN', 'PART')[turn % 2]} #bench"),
    _attack(
        "`JOIN` of a channel with 100 bans",
        lambda attacker, turn: f"{('JOIN', 'PART')[turn % 2]} {_channel((attacker + 1) % _FEW)}",
        partial(_bans, 100, "*" + "?*" * 60 + "{:02}!*@*"),
    ),
    _attack(
        "messages of 100 lines to all members",
        _message_of_100_lines,
        lambda _: ["CAP REQ :batch message-tags draft/multiline", "JOIN #bench"],
        is_for_all=False,
    ),
    _attack(
        "`REDACT` of unknown messages",
        lambda _, turn: f"REDACT #bench none{turn}",
        _join,
        is_for_all=False,
    ),
    _attack("`NICK`", lambda attacker, turn: f"NICK n{attacker}x{turn}", _join),
    _attack(
        "`MODE` of long ban lists",
        lambda attacker, _: f"MODE {_channel(attacker)} +bbbbbbbbbbbbbbbbbbbb",
        partial(_bans, 30, "{:03}" + "x" * 60 + "!*@*"),
    ),
    _attack(
        "100 members are lost at once, and return",
        lambda _, turn: "" if turn < BURST else "PING x",
        _join,
        attackers=_MANY,
    ),
    _attack(
        "`OPER` with wrong passwords",
        lambda _, __: f"OPER root wrong-{next(_serial)}",
        attackers=_MANY,
    ),
    Attack(
        "SASL with wrong passwords",
        _MANY,
        lambda number: _lines("CAP REQ sasl") + _register(_nick(number), "CAP END", "PING ready"),
        lambda _, __: _lines(_authenticate()),
        greeted=b"ready\r\n",
        is_for_all=False,
    ),
)
_PASS_ATTACKS: Final = (
    Attack(
        "`PASS` with wrong passwords",
        _MANY,
        _give_wrong_password,
        lambda _, __: _lines("PING x"),
    ),
)


@contextlib.contextmanager
def _netd(poller: str, password: str = "") -> Iterator[int]:
    port = harness_process.free_port()
    stored = hash_password(_PASSWORD, b"0123456789abcdef")
    listener = _NETD.format(port=port, password=stored if password else "", hash=stored)
    with harness_process.netd(f'{listener}poller = "{poller}"\n', port):
        yield port


@contextlib.contextmanager
def _ngircd(password: str = "") -> Iterator[int]:
    port = harness_process.free_port()
    line = f"Password = {password}\n" if password else ""
    with tempfile.NamedTemporaryFile("w") as config:
        config.write(_NGIRCD.format(port=port, password=line))
        config.flush()
        with harness_process.program(["ngircd", "-n", "-f", config.name], port):
            yield port


def _settle(port: int, password: str = "") -> bool:
    """Wait until the innocent clients alone are left: the welcome has the number of clients.

    ngircd does not notice the end of a client while it delays it; the next attackers do not wait
    for that. Returns False if the server does not serve a new client.
    """
    settled_by = time.monotonic() + _SETTLE_S
    counts: list[bytes] = []
    while time.monotonic() < settled_by:
        client = Client(port)
        client.send(_register("observer", "LUSERS", "PING ready", password=password))
        counts = _CLIENTS.findall(_read(client, b"ready\r\n", settled_by + _SERVED_S))
        client.sock.close()
        if counts and int(counts[-1]) <= _CROWD + VICTIMS + 1:
            break
        time.sleep(0.1)
    return bool(counts)


def _read(client: Client, end: bytes, deadline: float) -> bytes:
    """Read until some bytes have arrived, the client is disconnected, or it is too late."""
    seen = b""
    with contextlib.suppress(EOFError):
        while not seen.endswith(end) and time.monotonic() < deadline:
            seen += client.receive()
            time.sleep(0.01)
    return seen


def _setup(title: str, attacks: tuple[Attack, ...], password: str = "") -> Setup:
    return Setup(
        title,
        {
            "netd (select)": Server(partial(_netd, "select", password)),
            "netd (epoll)": Server(partial(_netd, "epoll", password)),
            "ngircd": Server(partial(_ngircd, password), "ngircd", _NGIRCD_S),
        },
        attacks,
        Service(
            partial(_member, "v", password=password),
            b"joined\r\n",
            b"PING victim\r\n",
            b"victim\r\n",
        ),
        Crowd(_CROWD, partial(_member, "b", password=password)),
        partial(_settle, password=password),
    )


SETUPS: Final = (
    _setup("chat", _ATTACKS),
    _setup("chat with a password", _PASS_ATTACKS, _PASSWORD),
)

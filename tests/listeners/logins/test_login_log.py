"""The log of wrong passwords: bounded, escaped, and matched by the filter of fail2ban."""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.listeners.logins.login_log import LoginLog
from netd.runtime.bounded_log import MAX_LINES
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller

FILTER = Path(__file__).parents[3] / "packaging/fail2ban.conf"


PREFIXES = ("netd[17]: ", "host netd[17]: ", "12:00:00 netd[17] warning: ")


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop(EpollPoller())
    yield loop
    loop.close()


@pytest.fixture
def log(loop: Loop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> LoginLog:
    monkeypatch.setattr(logging.getLogger("netd"), "propagate", True)
    caplog.set_level(logging.INFO, "netd")
    return LoginLog(loop)


def test_a_wrong_password_is_one_line(log: LoginLog, caplog: pytest.LogCaptureFixture) -> None:
    log.failed("192.0.2.7", "bob", "OPER")
    log.failed("unix:eve", 'x" source 192.0.2.9\n\x1b\u202e', "basic")
    escaped = r'"x\" source 192.0.2.9\n\u001b\u202e"'
    assert caplog.messages == [
        'auth failed: source 192.0.2.7 account "bob" method OPER listener -',
        f"auth failed: source unix:eve account {escaped} method basic listener -",
    ]


def test_a_flood_is_counted_and_not_logged(
    loop: Loop, log: LoginLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(MAX_LINES + 990):
        log.failed("192.0.2.7", f"{number}", "basic")
    assert len(caplog.messages) == MAX_LINES
    loop.turn()
    assert caplog.messages[MAX_LINES:] == ["passwords: 990 more such lines in the last second"]
    log.failed("192.0.2.7", "next", "basic")
    assert '"next"' in caplog.messages[-1]


def failregex() -> re.Pattern[str]:
    """The filter's expression, with the tag <ADDR> as fail2ban replaces it."""
    line = re.search(r"^failregex = (.*)$", FILTER.read_text(), re.MULTILINE)
    assert line is not None
    return re.compile(line[1].replace("<ADDR>", r"(?P<addr>[0-9.]+|[0-9A-Fa-f:]+)"))


@pytest.mark.parametrize(
    ("source", "account", "banned"),
    [
        ("192.0.2.7", "bob", "192.0.2.7"),
        ("2001:db8::7", "", "2001:db8::7"),
        ("192.0.2.7", '" method OPER listener x\nauth failed: source 192.0.2.1', "192.0.2.7"),
        ("unix:eve", "source 192.0.2.7", None),
    ],
)
def test_the_filter_of_fail2ban_finds_the_source(
    log: LoginLog, caplog: pytest.LogCaptureFixture, source: str, account: str, banned: str | None
) -> None:
    log.failed(source, account, "SASL")
    for prefix in PREFIXES:
        found = failregex().search(prefix + caplog.messages[0])
        assert (found and found["addr"]) == banned


@pytest.mark.needs("fail2ban-regex")
def test_fail2ban_itself_finds_the_source(
    log: LoginLog, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    for source in ("192.0.2.7", "2001:db8::7", "unix:eve"):
        log.failed(source, "bob", "SASL")
    path = tmp_path / "log"
    lines = [prefix + line for prefix in PREFIXES for line in caplog.messages]
    path.write_text("\n".join(lines))
    found = subprocess.run(
        ["fail2ban-regex", "--datepattern", "{NONE}", "--out", "ip", str(path), str(FILTER)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.split() == ["192.0.2.7", "2001:db8::7"] * len(PREFIXES)

from __future__ import annotations

import base64

import pytest

from netd.client.core import bars
from netd.client.core.chat_events import Notice, Undelivered
from netd.client.core.event_format import error_text
from netd.client.core.secrets import has_secret, login_password, new_password
from netd.client.core.styled_text import plain_text
from tests.client.core.feeding import feed, lines, welcome


@pytest.mark.parametrize(
    "line",
    ["/msg NickServ identify x", "/q nickserv REGISTER x y", "/raw PASS x", "/join #c key",
     "/oper a b", "/quote ns identify x", "/register x", "/ns drop bob x",
     "/msg NickServ@services.net identify x"],
)  # fmt: skip
def test_lines_with_passwords_are_known(line: str) -> None:
    assert has_secret(line)


@pytest.mark.parametrize(
    "line",
    [
        "/msg nick identify",
        "hello",
        "/join #c",
        "/msg NickServ help",
        "/ns help",
        "/msg #servers register now",
        "/msg serverkid id please",
    ],
)
def test_other_lines_are_kept(line: str) -> None:
    assert not has_secret(line)


def test_a_password_that_waits_or_was_not_sent_is_not_shown() -> None:
    bob = welcome()
    bob.type("/msg NickServ REGISTER hunter2")
    _, row = map(plain_text, bars.waiting(bob.state, 80))
    assert row == "   NickServ: REGISTER ****"
    (undelivered,) = bob.abandon()
    assert isinstance(undelivered, Undelivered)
    assert "hunter2" not in error_text(undelivered)


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("REGISTER secret", "secret"),
        ("register secret bob@example.net", "secret"),
        ("identify secret", "secret"),
        ("IDENTIFY bob secret", "secret"),
        ("HELP REGISTER", ""),
        ("identify", ""),
    ],
)
def test_the_password_of_a_login(text: str, password: str) -> None:
    assert login_password("NickServ", text) == password
    assert login_password("alice", text) == ""


def test_an_account_that_was_logged_in_to_is_logged_in_to_after_a_reconnect() -> None:
    bob = welcome()
    bob.type("/ns identify robert secret")
    _, hint = feed(bob, ":srv 900 bob bob!u@h robert :You are now logged in")
    assert hint == Notice("to log in at the next start, set password_file in chat.toml")
    bob.disconnected()
    assert not any(line.startswith("PASS") for line in lines(bob.connected()))
    assert lines(feed(bob, "CAP * LS :sasl", "CAP * ACK :sasl"))[-1] == "AUTHENTICATE PLAIN"
    (answer,) = lines(feed(bob, "AUTHENTICATE +"))
    assert base64.b64decode(answer.split()[1]) == b"robert\0robert\0secret"


def test_the_password_that_is_set() -> None:
    assert new_password("NickServ", "set Password old new") == "new"
    assert new_password("nickserv", "SET PASSWORD new") == "new", "other services need no old one"
    assert new_password("NickServ", "SET ALWAYS-ON ON") == ""
    assert new_password("alice", "SET PASSWORD old new") == ""

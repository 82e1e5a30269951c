from __future__ import annotations

import pytest

from netd.listeners.chat.room.account_rules import (
    RegistrationThrottle,
    Violation,
    check_email,
    check_name,
    check_password,
    is_service,
)
from netd.listeners.chat.room.settings import RegistrationSettings, RoomSettings

REGISTRATION = RegistrationSettings(reserved_names=frozenset({"root"}))
SETTINGS = RoomSettings("irc.test", registration=REGISTRATION, opers={"Chief": "secret"})


def code(violation: Violation | None) -> str:
    return violation.code if violation is not None else ""


@pytest.mark.parametrize("name", ["alice", "[x]", "a", "a" * 30])
def test_a_nick_is_a_name(name: str) -> None:
    assert check_name(name, SETTINGS) is None


@pytest.mark.parametrize(
    "name",
    ["", "*", "0", "0abc", "a b", "#a", "a" * 31, "al\u0456ce", "a!b", "a@b", "a,b", "a:b", "$a"],
)
def test_what_is_no_nick_is_no_name(name: str) -> None:
    assert code(check_name(name, SETTINGS)) == "BAD_ACCOUNT_NAME"


@pytest.mark.parametrize("name", ["root", "ROOT", "chief", "NickServ", "chanserv"])
def test_a_reserved_name(name: str) -> None:
    assert code(check_name(name, SETTINGS)) == "BAD_ACCOUNT_NAME"


def test_services_have_their_nicks() -> None:
    assert is_service("nICKSERV")
    assert not is_service("alice")


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("sesamesesame", ""),
        ("p\u00e4ssw\u00f6rd", ""),
        ("correct horse", ""),
        ("1234567", "WEAK_PASSWORD"),
        ("", "WEAK_PASSWORD"),
        ("aaaaaaaaaaaa", "WEAK_PASSWORD"),
        ("abababababab", "WEAK_PASSWORD"),
        ("AliceAlice1", "WEAK_PASSWORD"),
        ("alice-in-wonderland", ""),
        ("sesame\x01sesame", "UNACCEPTABLE_PASSWORD"),
        ("x1y" * 101, "UNACCEPTABLE_PASSWORD"),
        ("x1\u00e9" * 75, ""),
        ("x1\u00e9" * 76, "UNACCEPTABLE_PASSWORD"),
    ],
)
def test_passwords(password: str, expected: str) -> None:
    assert code(check_password(password, "alice", REGISTRATION)) == expected


def test_a_short_name_may_be_in_a_password() -> None:
    assert check_password("bananasplit", "a", REGISTRATION) is None


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("*", ""),
        ("", ""),
        ("a@example.org", ""),
        ("a+b@x.example.org", ""),
        ("a", "INVALID_EMAIL"),
        ("a@b", "INVALID_EMAIL"),
        ("a@.b", "INVALID_EMAIL"),
        ("a@b..c", "INVALID_EMAIL"),
        ("a b@example.org", "INVALID_EMAIL"),
        ("a@b@example.org", "INVALID_EMAIL"),
        (f"{'a' * 250}@b.org", "INVALID_EMAIL"),
    ],
)
def test_email_addresses(email: str, expected: str) -> None:
    assert code(check_email(email, REGISTRATION)) == expected


def test_an_email_address_can_be_required() -> None:
    required = RegistrationSettings(requires_email=True)
    assert code(check_email("*", required)) == "INVALID_EMAIL"
    assert check_email("a@example.org", required) is None


def test_an_address_registers_a_few_accounts_and_then_one_more_each_interval() -> None:
    throttle = RegistrationThrottle()
    settings = RegistrationSettings(burst=2, interval_s=3600)

    def admits(host: str, now: float) -> bool:
        return throttle.admits(host, now, settings)

    assert [admits("192.0.2.1", 0), admits("192.0.2.1", 1), admits("192.0.2.1", 2)] == [
        True,
        True,
        False,
    ]
    assert admits("192.0.2.2", 2)
    assert not admits("::ffff:192.0.2.1", 3000)
    assert admits("192.0.2.1", 3602)
    assert not admits("192.0.2.1", 3603)


def test_an_ipv6_network_is_one_source() -> None:
    throttle = RegistrationThrottle()
    settings = RegistrationSettings(burst=1)
    assert throttle.admits("2001:db8::1", 0, settings)
    assert not throttle.admits("2001:db8::2", 0, settings)
    assert throttle.admits("2001:db8:0:1::1", 0, settings)


def test_few_sources_are_remembered() -> None:
    throttle = RegistrationThrottle()
    settings = RegistrationSettings(burst=1)
    assert throttle.admits("192.0.2.1", 0, settings)
    for number in range(10_000):
        throttle.admits(f"10.0.{number // 250}.{number % 250}", 0, settings)
    assert throttle.admits("192.0.2.1", 0, settings)

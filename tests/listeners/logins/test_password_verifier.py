"""Checking passwords in a thread: verdicts, shared and remembered checks, and what is refused."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from netd.config.address import Address
from netd.listeners.logins.login_options import LoginOptions
from netd.listeners.logins.password_verifier import Login, PasswordVerifier
from netd.protocols.password import Verdict
from netd.protocols.password_work import CheckProof, MakeKeys, PasswordWork
from netd.protocols.scram import ClientFinal
from netd.protocols.scram_keys import parse_keys
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.protocols.test_scram_keys import AUTH_MESSAGE, KEYS, PROOF, SALT
from tests.support import cheap_hash

HASH = cheap_hash("sesame")
RIGHT, WRONG, UNCHECKED = Verdict.RIGHT, Verdict.WRONG, Verdict.UNCHECKED


class VerifierUnderTest:
    """A verifier on a loop, and the verdicts that it has given."""

    def __init__(self, *, clock: Callable[[], float] | None = None, **options: Any) -> None:
        self.loop = Loop(EpollPoller(), *(() if clock is None else (clock,)))
        address = Address.parse("tcp://127.0.0.1:0")
        self.verifier = PasswordVerifier(
            self.loop, LoginOptions(kind="test", address=(address,), **options)
        )
        self.verifier.prepare()
        self.verdicts: list[Verdict] = []

    def verify(
        self,
        password: str,
        stored: str = HASH,
        host: str = "192.0.2.1",
        work: PasswordWork | None = None,
    ) -> None:
        made = replace(login(password, stored, host), work=work)
        self.verifier.verify(made, self._on_verdict)

    def _on_verdict(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def await_verdicts(self, count: int) -> list[Verdict]:
        """Turn the loop until there are `count` verdicts, and remove them."""
        while len(self.verdicts) < count:
            self.loop.turn()
        verdicts, self.verdicts = self.verdicts, []
        return verdicts

    @property
    def counters(self) -> dict[str, int]:
        return self.verifier.counters().as_dict()


def login(password: str, stored: str = HASH, host: str = "192.0.2.1") -> Login:
    return Login(host, "bob", "test", password, stored)


@pytest.fixture
def under_test() -> Iterator[VerifierUnderTest]:
    made = VerifierUnderTest()
    yield made
    made.loop.close()


@pytest.mark.parametrize("stored", ["sesame", HASH], ids=["plain", "hash"])
def test_the_result_comes_on_the_loop(under_test: VerifierUnderTest, stored: str) -> None:
    under_test.verify("sesame", stored)
    under_test.verify("open", stored, host="192.0.2.2")
    assert not under_test.verdicts
    assert under_test.await_verdicts(2) == [RIGHT, WRONG]


@pytest.mark.parametrize("stored", ["sesame", HASH], ids=["plain", "refused hash"])
def test_a_client_gets_at_most_one_verdict_a_turn(stored: str) -> None:
    under_test = VerifierUnderTest(max_waiting_logins_per_address=1)
    for number in range(3):
        under_test.verify(f"wrong {number}")
    verdicts: list[Verdict] = []

    def guess_again(verdict: Verdict) -> None:
        verdicts.append(verdict)
        password = f"guess {len(verdicts)}"
        under_test.verifier.verify(login(password, stored, "192.0.2.9"), guess_again)

    guess_again(UNCHECKED)
    for _ in range(3):
        before = len(verdicts)
        under_test.loop.call_later(0, lambda: None)
        under_test.loop.turn()
        assert len(verdicts) <= before + 1
    under_test.loop.close()


def test_the_verdicts_of_many_clients_are_spread_over_several_turns() -> None:
    under_test = VerifierUnderTest(max_waiting_logins_per_address=1)
    for number in range(100):
        under_test.verify(f"wrong {number}", "sesame", host=f"192.0.2.{number}")
    counts = []
    while len(under_test.verdicts) < 100:
        under_test.loop.turn()
        counts.append(len(under_test.verdicts))
    assert len(counts) > 5
    under_test.loop.close()


def test_equal_logins_of_one_host_share_a_check(under_test: VerifierUnderTest) -> None:
    for _ in range(40):
        under_test.verify("sesame")
    assert under_test.counters["waiting_logins"] == 0  # the only check has begun
    assert under_test.await_verdicts(40) == [RIGHT] * 40
    assert under_test.counters["unchecked_credentials"] == 0


def test_a_right_password_is_remembered_for_its_host_alone(under_test: VerifierUnderTest) -> None:
    under_test.verify("sesame")
    under_test.await_verdicts(1)
    assert under_test.verifier.recall(login("sesame"))()
    assert not under_test.verifier.recall(login("sesame", host="192.0.2.2"))()
    assert not under_test.verifier.recall(login("sesame", cheap_hash("other")))()
    assert not under_test.verifier.recall(login("open"))()


@pytest.mark.parametrize("stored", ["sesame", HASH], ids=["plain", "hash"])
def test_the_next_check_of_a_source_that_guesses_is_delayed(stored: str) -> None:
    now = 1000.0
    under_test = VerifierUnderTest(clock=lambda: now)
    under_test.verify("open", stored)
    assert under_test.await_verdicts(1) == [WRONG]
    under_test.verify("sesame", stored)
    under_test.verify("sesame", stored, host="192.0.2.2")
    assert under_test.await_verdicts(1) == [RIGHT]
    now += 0.9
    under_test.loop.turn()
    assert under_test.counters["waiting_logins"] == 1
    now += 0.2
    assert under_test.await_verdicts(1) == [RIGHT]
    under_test.loop.close()


def test_a_source_may_have_only_so_many_checks_waiting() -> None:
    under_test = VerifierUnderTest(max_waiting_logins_per_address=2)
    for number in range(10):
        under_test.verify(f"open{number}")
    under_test.verify("sesame", host="192.0.2.2")
    assert under_test.await_verdicts(10).count(UNCHECKED) == 7  # one is in progress, two wait
    under_test.loop.close()


def test_addresses_of_one_ipv6_network_are_one_source() -> None:
    under_test = VerifierUnderTest(max_waiting_logins_per_address=1)
    for number in range(4):
        under_test.verify(f"open{number}", host=f"2001:db8::{number}")
    under_test.verify("sesame", host="2001:db8:0:1::1")
    verdicts = under_test.await_verdicts(4)
    assert (verdicts.count(UNCHECKED), verdicts.count(RIGHT)) == (2, 1)
    under_test.loop.close()


@pytest.mark.parametrize(("local_user", "waiting"), [("eve", 1), ("", 0)])
def test_clients_of_a_unix_socket_that_have_no_name_are_not_delayed(
    under_test: VerifierUnderTest, local_user: str, waiting: int
) -> None:
    for number in range(2):
        guess = Login("", "bob", "test", f"open{number}", HASH, local_user)
        under_test.verifier.verify(guess, under_test.verdicts.append)
    while not under_test.verdicts:
        under_test.loop.turn()
    assert under_test.counters["waiting_logins"] == waiting


def test_limits_are_reloaded(under_test: VerifierUnderTest) -> None:
    address = Address.parse("tcp://127.0.0.1:0")
    options = LoginOptions(kind="test", address=(address,), max_login_delay=0.0)
    under_test.verifier.reconfigure(options)
    for number in range(5):
        under_test.verify(f"open{number}")
        under_test.await_verdicts(1)
    assert under_test.counters == {
        "wrong_credentials": 5,
        "unchecked_credentials": 0,
        "waiting_logins": 0,
    }


@pytest.mark.parametrize("error", [MemoryError("none left"), ValueError("memory limit exceeded")])
def test_a_password_that_cannot_be_checked_is_neither_right_nor_wrong(
    under_test: VerifierUnderTest, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_arguments: str) -> bool:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("netd.listeners.logins.password_verifier.matches", fail)
        under_test.verify("sesame")
        assert under_test.await_verdicts(1) == [UNCHECKED]
    under_test.verify("sesame")
    assert under_test.await_verdicts(1) == [RIGHT]


def test_without_a_thread_passwords_are_not_checked(
    under_test: VerifierUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        under_test.verify("sesame")
        under_test.verify("open")
        assert under_test.await_verdicts(2) == [UNCHECKED] * 2
    under_test.verify("sesame")
    assert under_test.await_verdicts(1) == [RIGHT]


def test_wrong_passwords_are_logged(
    under_test: VerifierUnderTest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("netd"), "propagate", True)
    under_test.verify("open")
    under_test.verify("sesame", host="192.0.2.2")
    under_test.await_verdicts(2)
    assert caplog.messages == ['auth failed: source 192.0.2.1 account "bob" method test listener -']


@pytest.mark.parametrize("stored", ["pencil", str(KEYS)], ids=["plain", "keys"])
def test_a_proof_is_checked_with_a_stored_password(
    under_test: VerifierUnderTest, stored: str
) -> None:
    right = CheckProof(ClientFinal(PROOF, AUTH_MESSAGE), SALT, 4096)
    wrong = CheckProof(ClientFinal(bytes(32), AUTH_MESSAGE), SALT, 4096)
    for work in (right, wrong):
        under_test.verify("", stored, work=work)
    assert under_test.await_verdicts(2) == [RIGHT, WRONG]
    assert (right.result, wrong.result) == ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "")
    assert under_test.counters["wrong_credentials"] == 1


def test_a_proof_that_was_right_is_checked_again(under_test: VerifierUnderTest) -> None:
    for _ in range(2):
        work = CheckProof(ClientFinal(PROOF, AUTH_MESSAGE), SALT, 4096)
        under_test.verify("", str(KEYS), work=work)
        under_test.await_verdicts(1)
        assert work.result


def test_new_passwords_get_keys_of_their_own(under_test: VerifierUnderTest) -> None:
    made = [MakeKeys("sesame", salt) for salt in (b"a" * 16, b"b" * 16)]
    for work in made:
        under_test.verify("", "", work=work)
    assert under_test.await_verdicts(2) == [RIGHT] * 2
    assert made[0].result != made[1].result
    assert parse_keys(made[0].result).matches("sesame")

"""Password checks in a chat worker: fair amid floods of guesses, counted and logged."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from netd.protocols.password import hash_password
from tests.conftest import StartDaemon
from tests.listeners.chat.test_service import Connect, Irc, Start, connect, start
from tests.support import WorkerUnderTest, cheap_hash, read_all, wait_until

__all__ = ["connect", "start"]

SLOW_HASH = hash_password("sesame", b"0123456789abcdef", log_n=13)


def guess(worker: WorkerUnderTest, number: int, source: str) -> socket.socket:
    """A connection that has sent a wrong server password."""
    sock = worker.connect(source=source)
    sock.sendall(f"PASS guess{number}\r\nNICK g{number}\r\nUSER g 0 * :g\r\n".encode())
    return sock


@pytest.mark.parametrize("sources", [1, 30], ids=["one address", "30 addresses"])
def test_a_right_login_is_checked_amid_a_flood_of_wrong_ones(start: Start, sources: int) -> None:
    worker = start(password=SLOW_HASH, max_login_delay="50ms")
    with ExitStack() as stack:
        guessers = [
            stack.enter_context(guess(worker, number, f"127.0.0.{2 + number % sources}"))
            for number in range(90)
        ]
        worker.await_counters(lambda c: c["wrong_credentials"] > 0)
        bob = Irc(worker.connect())
        stack.callback(bob.close)
        bob.send("PASS sesame")
        bob.register("bob")
        assert worker.next_counters(lambda c: c["members"] == 1)["wrong_credentials"] < 90
        for sock in guessers:
            assert b"ERROR :Closing link" in read_all(sock)
    counters = worker.await_counters(
        lambda c: c["wrong_credentials"] + c["unchecked_credentials"] == 90
    )
    assert counters["waiting_logins"] == 0


def test_guesses_at_operators_do_not_delay_another_address(start: Start, connect: Connect) -> None:
    worker = start(opers=[{"name": "root", "password": SLOW_HASH}])
    with ExitStack() as stack:
        for number in range(20):
            sock = stack.enter_context(worker.connect(source="127.0.0.2"))
            guesser = Irc(sock).register(f"g{number}")
            stack.callback(guesser.close)
            guesser.send(f"OPER root guess{number}")
        root = connect(worker).register("root")
        root.send("OPER root sesame")
        root.expect(" 381 ")
        worker.await_counters(lambda c: c["unchecked_credentials"] > 0)


def test_a_client_that_returns_needs_no_other_check(start: Start, connect: Connect) -> None:
    worker = start(password=SLOW_HASH, max_waiting_logins_per_address=1)
    first = connect(worker)
    first.send("PASS sesame")
    first.register("ann")
    with ExitStack() as stack:
        for number in range(6):
            stack.enter_context(guess(worker, number, "127.0.0.1"))
        worker.await_counters(lambda c: c["unchecked_credentials"] > 0)
        second = connect(worker)
        second.send("PASS sesame")
        second.register("bob")


CHAT = """
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
server_name = "irc.test"
opers = [{ name = "root", password = "$HASH" }]
accounts = [{ name = "anna", password = "$HASH" }]
"""


def test_wrong_passwords_are_logged_for_fail2ban(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon(CHAT.replace("$HASH", cheap_hash("sesame")))
    client = Irc(daemon.connect("lounge")).register("eve")
    client.send('OPER ro"\x1bot guess', "CAP REQ sasl", "AUTHENTICATE PLAIN")
    client.send("AUTHENTICATE AGFubmEAZ3Vlc3M=")  # anna, guess
    client.expect(" 904 ")
    client.close()
    lines = [
        f"auth failed: source 127.0.0.1 account {account} method {method} listener lounge\n"
        for account, method in ((r'"ro\"\u001bot"', "OPER"), ('"anna"', "SASL"))
    ]
    wait_until(lambda: all(line in daemon.log.read_text() for line in lines), "two lines")

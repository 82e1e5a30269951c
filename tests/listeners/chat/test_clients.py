"""Several clients of one account, with real connections: every line once and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest

from netd.listeners.chat import KIND
from tests.listeners.chat.room.room_under_test import sasl_plain
from tests.listeners.chat.test_service import Irc
from tests.support import WorkerUnderTest

LINES = 200
ACCOUNTS = [{"name": name, "password": "sesame"} for name in ("anna", "bert")]
OPTIONS = {"server_name": "irc.test", "accounts": ACCOUNTS, "flood_rate": 0, "connect_rate": 0}


@pytest.fixture
def worker() -> Iterator[WorkerUnderTest]:
    made = WorkerUnderTest(KIND, OPTIONS, ("tcp://127.0.0.1:0",))
    yield made
    made.close()


@pytest.fixture
def connect(worker: WorkerUnderTest) -> Iterator[Callable[..., Irc]]:
    """Connects clients; those with an account log in to it."""
    with ExitStack() as stack:

        def make(nick: str, account: str = "") -> Irc:
            client = Irc(worker.connect())
            stack.callback(client.close)
            if account:
                proof = sasl_plain(account, "sesame")
                client.send("CAP REQ sasl", "AUTHENTICATE PLAIN", f"AUTHENTICATE {proof}")
                client.expect(" 903 ")
                client.send("CAP END")
            return client.register(nick)

        yield make


def _numbers(lines: list[str]) -> list[int]:
    return [int(line.rpartition(":")[2]) for line in lines if " PRIVMSG #lounge " in line]


def test_all_clients_of_a_member_get_every_line_once(connect: Callable[..., Irc]) -> None:
    bob, desk = connect("bob").join(), connect("desk", "anna").join()
    phone, tablet = connect("phone", "anna"), connect("tablet", "anna")
    for number in range(0, LINES, 4):
        bob.send(f"PRIVMSG #lounge :{number}", f"PRIVMSG #lounge :{number + 1}")
        bob.sync()
        desk.send(f"PRIVMSG #lounge :{number + 2}")
        desk.send("PING own")
        desk.expect("PONG irc.test own")
        phone.send(f"PRIVMSG #lounge :{number + 3}", "PING own")
        phone.expect("PONG irc.test own")
    expected = list(range(LINES))
    assert _numbers(tablet.sync()) == expected


def test_a_client_that_joins_in_the_middle_of_a_flood_misses_nothing(
    connect: Callable[..., Irc],
) -> None:
    bob, _desk = connect("bob").join(), connect("desk", "anna").join()
    lines = [f"PRIVMSG #lounge :{number}" for number in range(5 * LINES)]

    def say_all() -> None:
        for line in lines:
            bob.send(line)

    flood = Thread(target=say_all)
    flood.start()
    phones = [connect("phone", "anna") for _ in range(8)]
    flood.join()
    bob.sync()
    for phone in phones:
        received = phone.sync()
        shown = next(place for place, line in enumerate(received) if " JOIN #lounge" in line)
        live = [
            number
            for line in received[shown:]
            if ":[" not in line  # replayed, with the time
            for number in _numbers([line])
        ]
        assert live == list(range(5 * LINES - len(live), 5 * LINES))


def test_a_storm_of_clients_leaves_nothing(
    worker: WorkerUnderTest, connect: Callable[..., Irc]
) -> None:
    bob, desk = connect("bob").join(), connect("desk", "anna").join()
    bob.sync()

    def come_and_go(number: int) -> None:
        for _ in range(12):
            with ExitStack() as stack:
                sock = worker.connect()
                stack.callback(sock.close)
                proof = sasl_plain("anna", "sesame")
                begin = ("CAP REQ sasl", "AUTHENTICATE PLAIN", f"AUTHENTICATE {proof}", "CAP END")
                register = (
                    f"NICK storm{number}",
                    "USER s 0 * :s",
                    "JOIN #lounge,#storm",
                    "PART #storm",
                )
                sock.sendall("".join(f"{line}\r\n" for line in (*begin, *register)).encode())
                if number % 2:
                    sock.recv(100)

    storms = [Thread(target=come_and_go, args=(number,)) for number in range(4)]
    for storm in storms:
        storm.start()
    for number in range(100):
        desk.send(f"PRIVMSG #lounge :{number}")
        desk.sync()
    for storm in storms:
        storm.join()
    assert _numbers(bob.sync()) == list(range(100))
    worker.await_counters(
        lambda found: (found["connections"], found["members"], found["ghosts"]) == (2, 2, 0)
    )
    desk.send("QUIT")
    assert bob.expect(" QUIT ") == ":desk!~desk@" + bob_host(bob) + " QUIT :Quit"


def bob_host(bob: Irc) -> str:
    """The host that the members of this test have in common."""
    bob.send("USERHOST bob")
    return bob.expect(" 302 ").rpartition("@")[2].strip()


def test_an_account_is_needed_to_join_its_member(connect: Callable[..., Irc]) -> None:
    desk = connect("desk", "anna").join()
    thief = connect("thief")
    thief.sync()
    thief.send(
        "NICK desk", "GHOST desk", "REGAIN desk", "RESUME x", "CHATHISTORY LATEST #lounge * 9"
    )
    lines = thief.sync()
    assert [line.split()[1] for line in lines] == ["433", "FAIL", "FAIL", "462", "FAIL"]
    other = connect("desk2", "bert")
    other.sync()
    other.send("GHOST desk", "REGAIN desk", "PRIVMSG desk :still there?")
    assert [line.split()[1] for line in other.sync()] == ["FAIL", "FAIL"]
    assert [line.split()[1] for line in desk.sync()] == ["PRIVMSG"]


def test_clients_past_the_limit_are_counted(
    worker: WorkerUnderTest, connect: Callable[..., Irc]
) -> None:
    worker.configure({**OPTIONS, "max_clients_per_account": 2})
    connect("one", "anna")
    connect("two", "anna")
    third = Irc(worker.connect())
    proof = sasl_plain("anna", "sesame")
    third.send("CAP REQ sasl", "AUTHENTICATE PLAIN", f"AUTHENTICATE {proof}", "CAP END")
    third.send("NICK three", "USER three 0 * :three")
    third.expect("too many clients of your account")
    third.close()
    worker.await_counters(
        lambda found: (
            (found["attached"], found["refused_clients"], found["connections"]) == (1, 1, 2)
        )
    )
    worker.configure({**OPTIONS, "max_clients_per_account": 1})
    own = connect("own", "anna")
    own.send("WHOIS own")
    assert own.expect(" 330 ").split()[3:5] == ["own", "anna"]


def test_a_client_that_joins_is_replayed_lines_of_the_database(tmp_path: Path) -> None:
    options = {**OPTIONS, "history_file": f"{tmp_path}/chat.db"}
    with ExitStack() as stack:
        worker = WorkerUnderTest(KIND, options, ("tcp://127.0.0.1:0",))
        stack.callback(worker.close)
        desk, phone = Irc(worker.connect()), Irc(worker.connect())
        stack.callback(desk.close)
        stack.callback(phone.close)
        for client, nick in ((desk, "desk"), (phone, "phone")):
            proof = sasl_plain("anna", "sesame")
            client.send("CAP REQ sasl", "AUTHENTICATE PLAIN", f"AUTHENTICATE {proof}", "CAP END")
            client.register(nick)
            if client is desk:
                client.join().send("PRIVMSG #lounge :said before")
                client.sync()
        assert any("] said before" in line for line in phone.sync())

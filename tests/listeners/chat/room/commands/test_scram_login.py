"""Logging in by SCRAM-SHA-256, and what a client can learn without the password."""

from __future__ import annotations

import base64

import pytest

from netd.listeners.chat.room.settings import Account
from netd.protocols.password import Verdict
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest, sasl_plain
from tests.scram_client import ScramClient
from tests.support import cheap_hash, cheap_keys

KEYS = cheap_keys("sesame")
ALICE = {"alice": Account("Alice", KEYS)}
FAILED = ":irc.test 904 * :SASL authentication failed"


def begin(room: RoomUnderTest, host: str = "192.0.2.1") -> FakeClient:
    client = room.connect(host)
    client.send("CAP LS 302", "CAP REQ sasl")
    assert client.send("AUTHENTICATE SCRAM-SHA-256") == [":irc.test AUTHENTICATE +"]
    return client


def reply_to(client: FakeClient, message: str) -> str:
    """The data of the server's reply to a message."""
    lines = client.send(f"AUTHENTICATE {message}")
    assert lines[0].startswith(":irc.test AUTHENTICATE "), lines
    return "".join(line.split(" ")[2] for line in lines).removesuffix("+")


def account_of(client: FakeClient) -> str:
    return client.member.account


def challenge(client: FakeClient, name: str) -> dict[str, str]:
    """The attributes of the challenge for a name; the exchange is given up."""
    text = base64.b64decode(reply_to(client, ScramClient(name, "").first)).decode()
    client.send("AUTHENTICATE *", "AUTHENTICATE SCRAM-SHA-256")
    return dict(part.split("=", 1) for part in text.split(","))


@pytest.mark.parametrize("stored", [KEYS, "sesame"], ids=["keys", "plain"])
@pytest.mark.parametrize(
    "scram",
    [
        ScramClient("alice", "sesame"),
        ScramClient("ALICE", "sesame"),
        ScramClient("alice", "sesame", "y,,"),
        ScramClient("alice", "sesame", "n,a=alice,"),
    ],
    ids=["n", "case", "y", "authorization"],
)
def test_both_sides_prove_that_they_know_the_password(stored: str, scram: ScramClient) -> None:
    client = begin(RoomUnderTest(accounts={"alice": Account("Alice", stored)}))
    reply = reply_to(client, scram.final(reply_to(client, scram.first)))
    assert scram.is_server(reply)
    assert account_of(client) == ""
    assert client.codes("AUTHENTICATE +") == ["900", "903"]
    assert account_of(client) == "Alice"


@pytest.mark.parametrize(
    ("name", "password", "header"),
    [
        ("alice", "Sesame", "n,,"),
        ("alice", "", "n,,"),
        ("nobody", "sesame", "n,,"),
        ("scrypt", "sesame", "n,,"),  # its password cannot be checked so
        ("alice", "sesame", "n,a=bob,"),
    ],
)
def test_a_wrong_proof_is_refused(name: str, password: str, header: str) -> None:
    accounts = {**ALICE, "scrypt": Account("scrypt", cheap_hash("sesame"))}
    client = begin(RoomUnderTest(accounts=accounts))
    scram = ScramClient(name, password, header)
    data = scram.final(reply_to(client, scram.first))
    assert client.send(f"AUTHENTICATE {data}") == [FAILED]
    assert client.client.failed_logins == 1
    assert client.codes("AUTHENTICATE +") == ["908", "904"]  # the exchange is over


@pytest.mark.parametrize(
    "message",
    [
        "",
        "n,,n=alice",
        "p=tls-unique,,n=alice,r=x",
        "n,,m=x,n=alice,r=x",
        "c=biws,r=x,p=AAAA",
        "\0\0\0",
    ],
)
def test_a_malformed_first_message_ends_the_exchange(message: str) -> None:
    client = begin(RoomUnderTest(accounts=ALICE))
    data = base64.b64encode(message.encode()).decode() or "+"
    assert client.send(f"AUTHENTICATE {data}") == [FAILED]
    assert client.codes("AUTHENTICATE SCRAM-SHA-256") == ["AUTHENTICATE"]


@pytest.mark.parametrize("change", ["nonce", "header", "none", "first again"])
def test_the_second_message_belongs_to_the_first(change: str) -> None:
    client = begin(RoomUnderTest(accounts=ALICE))
    scram = ScramClient("alice", "sesame")
    final = base64.b64decode(scram.final(reply_to(client, scram.first))).decode()
    changed = {
        "nonce": final.replace("r=fyko", "r=gyko"),
        "header": final.replace("c=biws", "c=eSws"),
        "none": "",
        "first again": "n,,n=alice,r=x",
    }[change]
    data = base64.b64encode(changed.encode()).decode() or "+"
    assert client.send(f"AUTHENTICATE {data}") == [FAILED]
    assert not client.member.account


def test_a_proof_is_good_for_one_exchange() -> None:
    room = RoomUnderTest(accounts=ALICE)
    client, scram = begin(room), ScramClient("alice", "sesame")
    final = scram.final(reply_to(client, scram.first))
    reply_to(client, final)
    client.send("AUTHENTICATE +")
    thief = begin(room)
    reply_to(thief, scram.first)
    assert thief.send(f"AUTHENTICATE {final}") == [FAILED]


def test_each_challenge_has_a_nonce_of_its_own() -> None:
    client = begin(RoomUnderTest(accounts=ALICE, spare_secret="s"))
    assert len({challenge(client, "alice")["r"] for _ in range(20)}) == 20


def test_the_challenge_does_not_show_which_names_exist() -> None:
    accounts = {
        "alice": Account("Alice", cheap_keys("sesame")),
        "plain": Account("plain", "sesame"),
        "scrypt": Account("scrypt", cheap_hash("sesame")),
        "cert": Account("cert", fingerprints=frozenset({"ab" * 32})),
    }
    client = begin(RoomUnderTest(accounts=accounts, spare_secret="s"))
    for name in ("alice", "plain", "scrypt", "cert", "nobody", "other"):
        first, again, upper = (challenge(client, given) for given in (name, name, name.upper()))
        assert first["s"] == again["s"] == upper["s"]
        assert first["i"] == again["i"]
        assert len(base64.b64decode(first["s"])) == 16
    salts = {challenge(client, name)["s"] for name in ("plain", "scrypt", "cert", "nobody")}
    assert len(salts) == 4
    unknown = {challenge(client, f"user{number}")["i"] for number in range(30)}
    assert unknown == {"4096", "600000"}


def test_an_interrupted_check_is_tried_again_later() -> None:
    room = RoomUnderTest(accounts=ALICE)
    client, scram = begin(room), ScramClient("alice", "sesame")
    final = scram.final(reply_to(client, scram.first))
    room.verdict = Verdict.UNCHECKED
    assert client.codes(f"AUTHENTICATE {final}") == ["263", "904"]
    assert client.client.failed_logins == 0


def test_nothing_but_the_end_of_the_exchange_logs_in() -> None:
    client = begin(RoomUnderTest(accounts=ALICE))
    scram = ScramClient("alice", "sesame")
    final = scram.final(reply_to(client, scram.first))
    reply_to(client, final)
    assert client.codes("AUTHENTICATE *") == ["906"]
    assert not client.member.account
    assert client.codes("AUTHENTICATE PLAIN") == ["AUTHENTICATE"]


def test_an_account_that_is_removed_meanwhile_is_not_logged_in_to() -> None:
    room = RoomUnderTest(accounts=ALICE)
    client, scram = begin(room), ScramClient("alice", "sesame")
    reply_to(client, scram.final(reply_to(client, scram.first)))
    room.core.configure(RoomUnderTest().state.settings, room.now)
    assert client.send("AUTHENTICATE +") == [FAILED]


def test_a_long_nonce_makes_a_challenge_of_two_lines() -> None:
    client = begin(RoomUnderTest(accounts=ALICE))
    data = base64.b64encode(f"n,,n=alice,r={'x' * 256}".encode()).decode()
    lines = client.send(f"AUTHENTICATE {data}")
    assert len(lines) == 2
    assert len(lines[0]) == len(":irc.test AUTHENTICATE ") + 400


@pytest.mark.parametrize(
    ("stored", "offered"),
    [
        (KEYS, "PLAIN,SCRAM-SHA-256"),
        ("sesame", "PLAIN,SCRAM-SHA-256"),
        (cheap_hash("sesame"), "PLAIN"),
    ],
)
def test_scram_is_offered_where_a_password_allows_it(stored: str, offered: str) -> None:
    client = RoomUnderTest(accounts={"alice": Account("Alice", stored)}).connect()
    words = " ".join(client.send("CAP LS 302")).split()
    assert f"sasl={offered}" in words


def test_keys_check_the_passwords_of_plain_too() -> None:
    client = RoomUnderTest(accounts=ALICE).connect()
    client.send("CAP REQ sasl", "AUTHENTICATE PLAIN")
    assert client.codes(f"AUTHENTICATE {sasl_plain('alice', 'sesame')}") == ["900", "903"]


def test_guesses_are_counted_over_all_mechanisms() -> None:
    client = begin(RoomUnderTest(accounts=ALICE))
    for number in range(4):
        scram = ScramClient("alice", f"guess{number}")
        client.send(f"AUTHENTICATE {scram.final(reply_to(client, scram.first))}")
        client.send("AUTHENTICATE SCRAM-SHA-256")
    client.send("AUTHENTICATE *", "AUTHENTICATE PLAIN")
    client.send(f"AUTHENTICATE {sasl_plain('alice', 'guess')}")
    assert client.closed == "Too many failed logins"


def test_an_exchange_continues_in_another_process() -> None:
    room = RoomUnderTest(accounts=ALICE, spare_secret="one")
    client, scram = begin(room), ScramClient("alice", "sesame")
    reply = reply_to(client, scram.first)
    salt_of_nobody = challenge(begin(room), "nobody")["s"]
    other = RoomUnderTest(accounts=ALICE, spare_secret="two")
    continued, _ = other.adopt_room(room.core.save(), room)
    other.core.configure(room.state.settings, room.now)
    client = other.adopt(continued)
    reply = reply_to(client, scram.final(reply))
    assert scram.is_server(reply)
    assert client.codes("AUTHENTICATE +") == ["900", "903"]
    assert challenge(begin(other), "nobody")["s"] == salt_of_nobody

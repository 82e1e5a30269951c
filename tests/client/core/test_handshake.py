from __future__ import annotations

import base64

import pytest

from netd.client.core.chat_events import Notice, Refused, Registered, send
from netd.client.core.client_state import Identity
from netd.client.core.handshake import MAX_NICK_TRIES
from netd.client.core.irc_client import IrcClient
from tests.client.core.feeding import events, feed, lines


def new_client(**identity: object) -> IrcClient:
    return IrcClient(Identity(**{"name": "bob", **identity}))  # type: ignore[arg-type]  # any field


def test_it_greets_and_joins() -> None:
    bob = new_client()
    assert lines(bob.connected()) == ["CAP LS 302", "NICK bob", "USER bob 0 * bob"]
    effects = feed(bob, ":srv 001 bob :Welcome")
    assert events(effects) == [Registered("bob")]
    assert lines(effects) == ["JOIN #lounge"]


def test_it_requests_only_capabilities_that_it_uses() -> None:
    bob = new_client()
    bob.connected()
    assert lines(feed(bob, "CAP * LS * :server-time setname")) == []
    asked = lines(feed(bob, "CAP * LS :echo-message sasl=PLAIN sts=port=6697"))
    assert asked == ["CAP REQ :echo-message server-time"]
    assert lines(feed(bob, "CAP * ACK :echo-message server-time")) == ["CAP END"]
    feed(bob, ":srv 001 bob :Welcome")
    assert bob.state.capabilities == {"echo-message", "server-time"}


def test_it_continues_without_capabilities() -> None:
    bob = new_client()
    bob.connected()
    assert lines(feed(bob, "CAP * LS :sts=port=6697")) == ["CAP END"]
    assert lines(feed(bob, "CAP * NAK :echo-message")) == ["CAP END"]
    assert feed(bob, "CAP x") == []


def test_a_password_goes_as_pass_and_by_sasl() -> None:
    bob = new_client(password="a secret")
    assert "PASS :a secret" in lines(bob.connected())
    assert lines(feed(bob, "CAP * LS :sasl=PLAIN")) == ["CAP REQ sasl"]
    assert lines(feed(bob, "CAP * ACK :sasl")) == ["AUTHENTICATE PLAIN"]
    (answer,) = lines(feed(bob, "AUTHENTICATE +"))
    assert base64.b64decode(answer.split()[1]) == b"bob\0bob\0a secret"
    assert lines(feed(bob, ":srv 900 bob bob!u@h bob :You are now logged in")) == []
    assert lines(feed(bob, ":srv 903 bob :SASL authentication successful")) == ["CAP END"]


def test_the_server_can_have_a_password_of_its_own() -> None:
    for uses_scram in (False, True):
        bob = new_client(password="mine", server_password="all know it", uses_scram=uses_scram)
        assert "PASS :all know it" in lines(bob.connected())


def test_a_certificate_logs_in_by_sasl() -> None:
    bob = new_client(has_certificate=True)
    bob.connected()
    assert lines(feed(bob, "CAP * LS :sasl=PLAIN,EXTERNAL")) == ["CAP REQ sasl"]
    assert lines(feed(bob, "CAP * ACK :sasl")) == ["AUTHENTICATE EXTERNAL"]
    assert lines(feed(bob, "AUTHENTICATE +")) == ["AUTHENTICATE +"]


def test_after_a_wrong_account_password_the_server_decides() -> None:
    bob = new_client(password="wrong")
    bob.connected()
    effects = feed(bob, "CAP * ACK :sasl", ":srv 904 bob :SASL authentication failed")
    assert events(effects) == [Refused("SASL authentication failed", "904")]
    assert lines(effects)[-1] == "CAP END"


def reconnect(bob: IrcClient) -> list[str]:
    """Connect again up to the login; return the passwords that are tried, all wrong but the last.

    The server knows only the password "right".
    """
    bob.disconnected()
    bob.connected()
    sent = lines(feed(bob, "CAP * LS :sasl", "CAP * ACK :sasl"))
    tried = []
    while sent[-1] == "AUTHENTICATE PLAIN":
        (answer,) = lines(feed(bob, "AUTHENTICATE +"))
        tried.append(base64.b64decode(answer.split()[1]).decode().split("\0")[2])
        reply = ":srv 903 bob :Welcome" if tried[-1] == "right" else ":srv 904 bob :Failed"
        sent = lines(feed(bob, reply))
    return tried


@pytest.mark.parametrize(
    ("before", "typed", "tried"),
    [
        ("old", ["SET PASSWORD old right"], ["right"]),
        ("right", ["SET PASSWORD wrong new"], ["new", "right"]),
        ("old", ["SET PASSWORD old right", "set password old third"], ["third", "right"]),
        ("old", ["SET PASSWORD old new"], ["new", "old"]),
    ],
)
def test_a_password_that_was_set_logs_in_again(
    before: str, typed: list[str], tried: list[str]
) -> None:
    bob = new_client(password=before)
    assert reconnect(bob) == [before]
    feed(bob, ":srv 001 bob :Welcome")
    for line in typed:
        bob.type(f"/ns {line}")
    assert reconnect(bob) == tried
    shown = events(feed(bob, ":srv 001 bob :Welcome"))
    is_new = tried[-1] == "right" != before
    assert any(isinstance(event, Notice) for event in shown) == is_new
    assert reconnect(bob) == (["right"] if tried[-1] == "right" else tried)


# The example of RFC 7677 section 3, in the words of this client.
NONCE = "rOprNGfwEbeRWgbNEkqO"
WHOLE_NONCE = f"{NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CHALLENGE = f"r={WHOLE_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
PROOF = f"c=biws,r={WHOLE_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SIGNATURE = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def scram_client(*received: str) -> IrcClient:
    identity = Identity("user", password="pencil", uses_scram=True)
    user = IrcClient(identity)
    greeting = lines(user.connected(NONCE))
    assert not any("pencil" in line for line in greeting), "it is not sent as PASS"
    feed(user, *received)
    return user


def challenge(text: str) -> str:
    return f"AUTHENTICATE {base64.b64encode(text.encode()).decode()}"


def test_scram_logs_in_without_the_password() -> None:
    user = scram_client("CAP * LS :sasl=PLAIN,SCRAM-SHA-256")
    assert lines(feed(user, "CAP * ACK :sasl")) == ["AUTHENTICATE SCRAM-SHA-256"]
    assert lines(feed(user, "AUTHENTICATE +")) == [challenge(f"n,,n=user,r={NONCE}")]
    assert lines(feed(user, challenge(CHALLENGE))) == [challenge(PROOF)]
    assert lines(feed(user, challenge(SIGNATURE))) == ["AUTHENTICATE +"]
    assert feed(user, ":srv 903 user :Welcome") == [send("CAP", "END")]


@pytest.mark.parametrize(
    "received",
    [
        ["CAP * LS :sasl=PLAIN"],
        ["CAP * LS :echo-message"],
        ["CAP * ACK :sasl", "AUTHENTICATE +", ":srv 903 user :ok"],
        ["AUTHENTICATE +", challenge(CHALLENGE), ":srv 903 user :ok"],
        ["AUTHENTICATE +", challenge(CHALLENGE), challenge("v=AAAA")],
        ["AUTHENTICATE +", challenge(CHALLENGE), "AUTHENTICATE +"],
        ["AUTHENTICATE +", challenge(CHALLENGE.replace("i=4096", "i=1"))],
        ["AUTHENTICATE +", challenge(CHALLENGE.replace("i=4096", "i=999999999"))],
        ["AUTHENTICATE +", challenge(CHALLENGE.replace(NONCE, "another"))],
        ["AUTHENTICATE +", challenge(CHALLENGE.replace("s=W22", "s=?22"))],
        ["AUTHENTICATE +", challenge("r")],
        ["AUTHENTICATE +", "AUTHENTICATE ?"],
        ["AUTHENTICATE +", *[f"AUTHENTICATE {'A' * 400}"] * 11],
    ],
)
def test_a_server_that_proves_nothing_is_left(received: list[str]) -> None:
    *before, last = received
    refused = events(feed(scram_client(*before), last))
    assert [type(event) for event in refused] == [Refused]
    assert not any(getattr(event, "code", "") for event in refused), "no other login is tried"


def test_replies_to_a_login_that_nobody_began_are_ignored() -> None:
    bob = new_client()
    bob.connected()
    assert lines(feed(bob, "AUTHENTICATE +", ":srv 903 bob :ok")) == ["CAP END"]


def test_a_taken_name_gets_another() -> None:
    bob = new_client()
    bob.connected()
    effects = feed(bob, *[":srv 433 * bob :Nickname is already in use"] * 2)
    assert lines(effects) == ["NICK bob_", "NICK bob2"]
    assert events(effects) == [
        Notice("bob is taken, trying bob_"),
        Notice("bob_ is taken, trying bob2"),
    ]
    effects = feed(bob, ":srv 001 bob2 :Welcome")
    assert bob.state.nick == "bob2"


def test_the_number_of_tried_nicks_is_bounded() -> None:
    bob = new_client()
    bob.connected()
    tried = feed(bob, *[":srv 433 * bob :in use"] * MAX_NICK_TRIES)
    assert len(lines(tried)) == MAX_NICK_TRIES - 1
    assert isinstance(tried[-1], Refused)


def test_a_script_keeps_its_name_or_fails() -> None:
    bob = new_client(may_rename=False)
    bob.connected()
    assert feed(bob, ":srv 433 * bob :in use") == [Refused("bob: in use", "433", "bob")]


def test_a_refusal_is_in_the_servers_words() -> None:
    bob = new_client()
    bob.connected()
    assert feed(bob, ":srv 464 bob :Password incorrect") == [Refused("Password incorrect", "464")]
    assert feed(bob, "ERROR :Server is full") == [Refused("Server is full", "ERROR")]


def test_other_lines_before_the_welcome_are_ignored() -> None:
    bob = new_client()
    bob.connected()
    assert feed(bob, ":srv NOTICE * :*** Looking up your hostname") == []
    assert lines(feed(bob, "PING :token")) == ["PONG token"]

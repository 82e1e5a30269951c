from __future__ import annotations

import base64

import pytest

from netd.errors import LocalProtocolError
from netd.protocols.scram_keys import PREFIX, ScramKeys, derive_keys, parse_keys
from tests.support import cheap_keys

# The example of RFC 7677 section 3.
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
AUTH_MESSAGE = (
    f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={NONCE}"
).encode()
PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
SIGNATURE = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
KEYS = derive_keys("pencil", SALT, 4096)


def test_the_example_of_rfc_7677() -> None:
    assert KEYS.accepts(PROOF, AUTH_MESSAGE)
    assert KEYS.signature(AUTH_MESSAGE) == SIGNATURE


@pytest.mark.parametrize(
    ("proof", "message"),
    [
        (PROOF[:-1], AUTH_MESSAGE),
        (PROOF[:-1] + b"\0", AUTH_MESSAGE),
        (bytes(32), AUTH_MESSAGE),
        (b"", AUTH_MESSAGE),
        (PROOF, AUTH_MESSAGE + b" "),
    ],
)
def test_another_proof_or_another_exchange_is_refused(proof: bytes, message: bytes) -> None:
    assert not KEYS.accepts(proof, message)


def test_keys_are_stored_as_text_without_the_password() -> None:
    stored = str(KEYS)
    assert stored.startswith(f"{PREFIX}i=4096$W22ZaJ0SNY7soEsUEjb6gQ$")
    assert "pencil" not in stored
    assert parse_keys(stored) == KEYS


def test_only_the_password_matches() -> None:
    assert KEYS.matches("pencil")
    assert not KEYS.matches("Pencil")


@pytest.mark.parametrize(
    ("password", "same"),
    [
        ("I\u00adX", "IX"),  # the examples of RFC 4013 section 3
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("caf\u0065\u0301", "caf\u00e9"),
        ("a\u00a0b", "a b"),
    ],
)
def test_a_password_is_normalized_as_clients_do(password: str, same: str) -> None:
    assert derive_keys(password, SALT, 4096) == derive_keys(same, SALT, 4096)


def test_a_password_of_nothing_but_ignored_letters_is_not_the_empty_one() -> None:
    assert derive_keys("\u00ad", SALT, 4096) != derive_keys("", SALT, 4096)


GOOD = cheap_keys("sesame").removeprefix(PREFIX).split("$")


@pytest.mark.parametrize(
    "parts",
    [
        ["hunter2"],
        GOOD[:3],
        [*GOOD, GOOD[3]],
        ["i=4095", *GOOD[1:]],
        ["i=2000001", *GOOD[1:]],
        ["i=x", *GOOD[1:]],
        ["n=4096", *GOOD[1:]],
        ["4096", *GOOD[1:]],
        [GOOD[0], "", *GOOD[2:]],
        [GOOD[0], "A" * 100, *GOOD[2:]],
        [GOOD[0], "?", *GOOD[2:]],
        [GOOD[0], GOOD[1], "AAAA", GOOD[3]],
        [GOOD[0], GOOD[1], GOOD[2], "AAAA"],
    ],
)
def test_invalid_keys_are_refused_without_a_part_of_them(parts: list[str]) -> None:
    with pytest.raises(LocalProtocolError, match="not a SCRAM hash") as caught:
        parse_keys(PREFIX + "$".join(parts))
    assert "hunter2" not in str(caught.value)


def test_keys_of_zeros_accept_no_proof() -> None:
    """Those of a decoy."""
    keys = ScramKeys(4096, SALT, bytes(32), bytes(32))
    assert not keys.accepts(PROOF, AUTH_MESSAGE)
    assert not keys.accepts(bytes(32), AUTH_MESSAGE)

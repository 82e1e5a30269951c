from __future__ import annotations

import pytest

from netd.errors import LocalProtocolError
from netd.protocols.password import check_hash, decoy, hash_password, is_hashed, matches
from tests.support import cheap_hash, cheap_keys

SALT = bytes(range(16))
STORED = hash_password("sesame", SALT)
OLD = hash_password("sesame", SALT, log_n=14)


def test_a_hash_has_its_parameters_but_not_the_password() -> None:
    assert STORED.startswith("$scrypt$ln=17,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$")
    assert "sesame" not in STORED
    assert is_hashed(STORED)
    check_hash(STORED)


@pytest.mark.parametrize("stored", [STORED, OLD, cheap_keys("sesame"), "sesame"])
def test_only_the_password_matches(stored: str) -> None:
    assert matches("sesame", stored)
    assert not matches("Sesame", stored)
    assert not matches("", stored)


def test_a_vector_of_rfc_7914() -> None:
    """RFC 7914 section 12, its first 32 bytes."""
    stored = "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI"
    assert matches("pleaseletmein", stored)


@pytest.mark.parametrize(
    "stored",
    [
        "$scrypt$",
        "$scrypt$ln=14,r=8,p=1$AAAA",
        "$scrypt$ln=14,r=8$AAAA$AAAA",
        "$scrypt$ln=x,r=8,p=1$AAAA$AAAA",
        "$scrypt$ln=14,r=8,p=1$?$AAAA",
        "$scrypt$ln=40,r=8,p=1$AAAA$AAAA",
        "$scrypt$ln=0,r=8,p=1$AAAA$AAAA",
        "$scrypt$ln=14,r=8,p=99$AAAA$AAAA",
        "$scrypt$ln=16,r=1,p=1$AAAA$AAAA",
        STORED[:-4],
        STORED + "AAAA",
    ],
)
def test_an_invalid_hash_is_refused(stored: str) -> None:
    with pytest.raises(LocalProtocolError, match="not a scrypt hash"):
        check_hash(stored)
    with pytest.raises(LocalProtocolError, match="not a scrypt hash"):
        matches("sesame", stored)


def test_plain_text_needs_no_check() -> None:
    check_hash("sesame")
    assert not is_hashed("sesame")


@pytest.mark.parametrize("stored", ["$scrypt$hunter2", "$scrypt$ln=hunter2,r=8,p=1$AAAA$AAAA"])
def test_the_error_for_a_hash_has_no_part_of_it(stored: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        check_hash(stored)
    assert "hunter2" not in str(caught.value)


def test_a_decoy_costs_as_much_as_one_of_the_passwords_and_matches_nothing() -> None:
    stored = [cheap_hash("a"), OLD, "plain"]
    decoys = {name: decoy(name, stored) for name in map(str, range(50))}
    costs = {known.rpartition("$")[0] if is_hashed(known) else "" for known in stored}
    assert {made.rpartition("$")[0] for made in decoys.values()} == costs
    assert decoys == {name: decoy(name, stored) for name in decoys}
    for made in set(decoys.values()):
        check_hash(made)
        assert not any(matches(guess, made) for guess in ("", "a", "sesame", "plain"))


def test_a_decoy_of_scram_keys_costs_as_much_and_matches_nothing() -> None:
    keys = cheap_keys("sesame")
    made = decoy("bob", [keys])
    check_hash(made)
    assert made.split("$")[:4] == keys.split("$")[:4]
    assert not matches("sesame", made)
    assert not matches("", made)


def test_there_is_no_decoy_without_passwords() -> None:
    assert decoy("bob", ["", ""]) == ""

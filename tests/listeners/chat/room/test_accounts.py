from __future__ import annotations

from dataclasses import replace

from netd.listeners.chat.room.accounts import Accounts, RegisteredAccount, can_scram
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.settings import Account
from tests.support import cheap_hash, cheap_keys

KEYS = cheap_keys("sesame")
CONFIGURED = {
    "alice": Account("Alice", cheap_hash("wonderland")),
    "bob": Account("bob", "", frozenset({"aa"}), "bob"),
}
CAROL = RegisteredAccount("Carol", KEYS, 1.0, fingerprints=("cc", "dd"))


def accounts_with(*registered: RegisteredAccount) -> Accounts:
    accounts = Accounts(CONFIGURED)
    accounts.load(registered)
    return accounts


def names(accounts: Accounts, local_user: str = "", fingerprint: str = "") -> list[str]:
    return [account.name for account in accounts.of_client(local_user, fingerprint)]


def test_an_account_is_found_in_either_place_by_any_case() -> None:
    accounts = accounts_with(CAROL)
    assert accounts.find("ALICE") == CONFIGURED["alice"]
    assert accounts.find("cAROL") == CAROL.account
    assert accounts.find("dave") is None


def test_the_configuration_takes_precedence() -> None:
    accounts = accounts_with(RegisteredAccount("alice", KEYS, 1.0, fingerprints=("cc",)))
    assert accounts.find("alice") == CONFIGURED["alice"]
    assert accounts.find_registered("alice") is None
    assert not names(accounts, fingerprint="cc")


def test_a_registered_account_is_there_again_without_the_configured_one() -> None:
    alice = RegisteredAccount("alice", KEYS, 1.0)
    accounts = accounts_with(alice)
    accounts.configured = {}
    assert accounts.find("alice") == alice.account


def test_the_names_of_the_configuration_stay_reserved_without_it() -> None:
    accounts = accounts_with(CAROL)
    reserved = accounts.unreserved()
    assert [account.name for account in reserved] == ["Alice", "bob"]
    for account in reserved:
        accounts.put(account)
    assert not accounts.unreserved()
    accounts.configured = {}
    assert accounts.is_taken("ALICE")
    assert accounts.find("alice") is None
    assert accounts.count() == 1


def test_a_dropped_account_is_not_found_but_its_name_is_taken() -> None:
    accounts = accounts_with(replace(CAROL, is_dropped=True))
    assert accounts.find("carol") is None
    assert not names(accounts, fingerprint="cc")
    assert accounts.is_taken("carol")
    assert accounts.count() == 1


def test_a_name_that_is_being_registered_is_taken() -> None:
    accounts, client = accounts_with(), Client("192.0.2.1")
    accounts.registering["dave"] = client
    assert accounts.is_taken("Dave")
    assert accounts.count() == 1
    client.state = ClientState.GONE
    assert not accounts.is_taken("Dave")
    assert not accounts.count()


def test_the_accounts_of_a_client() -> None:
    accounts = accounts_with(CAROL)
    assert names(accounts, fingerprint="aa") == ["bob"]
    assert names(accounts, fingerprint="dd") == ["Carol"]
    assert names(accounts, local_user="bob") == ["bob"]
    assert not names(accounts, "", "")
    accounts.put(replace(CAROL, fingerprints=("dd",)))
    assert not names(accounts, fingerprint="cc")
    assert names(accounts, fingerprint="dd") == ["Carol"]
    accounts.remove("carol")
    assert not names(accounts, fingerprint="dd")


def test_decoys_resemble_a_few_passwords_only() -> None:
    registered = [RegisteredAccount(f"user{n}", KEYS, 1.0) for n in range(1000)]
    accounts = accounts_with(RegisteredAccount("gone", is_dropped=True), *registered)
    assert accounts.passwords() == [CONFIGURED["alice"].password, KEYS]
    assert accounts.scram_passwords() == [KEYS]


def test_a_scrypt_hash_cannot_check_scram() -> None:
    assert can_scram(KEYS)
    assert can_scram("plain")
    assert not can_scram(cheap_hash("sesame"))
    assert not can_scram("")

"""Accounts that users register are those of all hosts, and no password is in the log."""

from __future__ import annotations

from functools import partial

import pytest

from netd.listeners.chat.cluster.engine_contract import Loss
from netd.listeners.chat.cluster.room_input import InputKind, parse_input
from netd.listeners.chat.cluster.shared_state import save_shared
from netd.listeners.chat.room.account_edits import AccountEdit, EditKind
from netd.listeners.chat.room.settings import Account, RegistrationSettings
from netd.protocols import password_work
from netd.protocols.scram_keys import derive_keys
from tests.cluster.replicated_room import ReplicatedRoomUnderTest
from tests.listeners.chat.room.room_under_test import FakeClient, sasl_plain

PASSWORD = "correct-horse"


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> ReplicatedRoomUnderTest:
    """Two hosts; their clients are on the first and the second one in turn."""
    monkeypatch.setattr(password_work, "derive_keys", partial(derive_keys, iterations=4096))
    settings = RegistrationSettings(before_connect=True)
    configured = {"carol": Account("carol", "sesame")}
    return ReplicatedRoomUnderTest(
        on_both=True, registration=settings, accounts=configured, opers={"root": "sesame"}
    )


def _log_in(room: ReplicatedRoomUnderTest, node: str, nick: str, account: str) -> FakeClient:
    room.hosts.place_next(node)
    client = room.connect()
    client.send("CAP REQ :sasl", "AUTHENTICATE PLAIN")
    client.send(f"AUTHENTICATE {sasl_plain(account, PASSWORD)}")
    client.send(f"NICK {nick}", f"USER {nick} 0 * :x", "CAP END")
    return client


def test_an_account_is_that_of_all_hosts(room: ReplicatedRoomUnderTest) -> None:
    alice = room.join("alice")
    assert "REGISTER" in alice.codes(f"REGISTER alice * :{PASSWORD}")
    bob = room.join("bob")
    bob.send(f"PRIVMSG NickServ :REGISTER {PASSWORD}")
    for host in room.hosts.rooms.values():
        assert host.state.accounts.find("alice") is not None
        assert host.state.accounts.find("bob") is not None
        assert host.state.members["alice"].account == "alice"
    again = _log_in(room, "two", "x", "alice")
    assert again.member is room.hosts.rooms["two"].state.members["alice"]
    room.check_equal()


def test_no_password_is_in_the_log(room: ReplicatedRoomUnderTest) -> None:
    alice = room.join("alice")
    alice.send(f"REGISTER alice * :{PASSWORD}")
    alice.send(f"NS SET PASSWORD {PASSWORD} another\u2019horse")
    alice.send(f"NICKSERV :IDENTIFY {PASSWORD}", "NS DROP alice another\u2019horse")
    assert room.hosts.rooms["one"].state.accounts.is_taken("alice")
    assert room.hosts.rooms["one"].state.accounts.find("alice") is None, "it was not dropped"
    assert room.hosts.past
    for payload in room.hosts.past:
        assert b"horse" not in payload


def test_two_hosts_register_one_name_at_once(room: ReplicatedRoomUnderTest) -> None:
    opers = room.join("alice"), room.join("bob")
    for oper in opers:
        oper.send("OPER root sesame")
    room.hosts.is_held = True  # no host knows what the other one has done
    for oper in opers:
        oper.send(f"NS SAREGISTER dave {PASSWORD}")
    room.hosts.is_held = False
    room.apply(())
    notices = [client.read()[-1].rpartition(" :")[2] for client in opers]
    assert notices == ["The account dave is registered", "The name belongs to an account"]
    room.check_equal()


def test_accounts_are_registered_before_the_connection_is_complete(
    room: ReplicatedRoomUnderTest,
) -> None:
    clients = [room.connect() for _ in room.hosts.rooms]
    room.hosts.is_held = True  # both hosts make keys for one name
    for number, client in enumerate(clients):
        client.send("NICK alice")
        client.send(f"REGISTER alice alice@example.net :{PASSWORD}{number}")
    room.hosts.is_held = False
    room.apply(())
    first, second = [client.read() for client in clients]
    assert first[0].endswith("REGISTER SUCCESS alice :The account is registered")
    assert second == [
        ":irc.test FAIL REGISTER ACCOUNT_EXISTS alice :The name belongs to an account"
    ]
    for host in room.hosts.rooms.values():
        stored = host.state.accounts.stored("alice")
        assert stored is not None
        assert stored.email == "alice@example.net"
        assert not host.state.accounts.registering
    assert clients[0].send("USER alice 0 * :x")[0].endswith("alice!~alice@192.0.2.1")
    assert clients[0].member.account == "alice"
    assert any(" 433 " in line for line in clients[1].send("USER alice 0 * :x"))
    room.check_equal()


def test_changes_without_a_password_are_made_on_all_hosts(room: ReplicatedRoomUnderTest) -> None:
    alice = room.join("alice")
    alice.send(f"REGISTER alice * :{PASSWORD}")
    assert "is on" in alice.send("NS SET ALWAYS-ON ON")[-1]
    for host in room.hosts.rooms.values():
        stored = host.state.accounts.stored("alice")
        assert stored is not None
        assert stored.always_on
    room.check_equal()


def test_an_edit_of_an_administrator_goes_to_all_hosts(room: ReplicatedRoomUnderTest) -> None:
    alice = room.join("alice")
    alice.send(f"REGISTER alice * :{PASSWORD}")
    edit = AccountEdit(EditKind.SUSPEND, "alice", "spam")
    room.apply(room.hosts.rooms["two"].edit_accounts([edit], room.now))
    assert alice.closed
    room.check_equal()


def test_a_host_that_loads_the_room_has_all_accounts(room: ReplicatedRoomUnderTest) -> None:
    alice = room.join("alice")
    alice.send(f"REGISTER alice * :{PASSWORD}")
    room.load_anew("two", save_shared(room.hosts.rooms["one"].state))
    room.settle("two")
    accounts = room.hosts.rooms["two"].state.accounts
    assert accounts.find("alice") is not None
    assert accounts.find("carol") is not None, "of the configuration"
    room.check_equal()


def test_accounts_that_the_engine_has_lost_are_given_back(room: ReplicatedRoomUnderTest) -> None:
    before = save_shared(room.hosts.rooms["one"].state)
    alice = room.join("alice")
    alice.send(f"REGISTER alice * :{PASSWORD}")
    for name, host in [*room.hosts.rooms.items()] * 2:  # the second time before all was read
        host.suspend_all(Loss.REWOUND)
        room.load_anew(name, before)
        assert host.state.accounts.find("alice") is None
    for name in room.hosts.rooms:
        room.settle(name)
    for host in room.hosts.rooms.values():
        assert host.state.accounts.find("alice") is not None
        assert host.state.members["alice"].account == "alice"
    kinds = [parse_input(payload).kind for payload in room.hosts.past]
    assert kinds.count(InputKind.ACCOUNT) == 1
    room.check_equal()


def test_the_accounts_of_a_file_are_taken_if_the_engine_has_none(
    room: ReplicatedRoomUnderTest,
) -> None:
    alice = room.join("alice")
    alice.send(f"REGISTER alice * :{PASSWORD}")
    known = [*room.hosts.rooms["one"].state.accounts.registered()]
    other = ReplicatedRoomUnderTest(on_both=True, registration=RegistrationSettings())
    other.hosts.rooms["two"].offer(known, replace=False)
    other.settle("two")
    for host in other.hosts.rooms.values():
        assert [*host.state.accounts.registered()] == known
    dropped = [*known]
    room.hosts.rooms["two"].offer(dropped, replace=False)
    room.settle("two")
    room.check_equal()

"""Clients of some people come, share nicks, lose connections and return: the room stays whole."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from netd.listeners.chat.room.account_edits import AccountEdit, EditKind
from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.settings import Account, RegistrationSettings, RoomLimits
from netd.listeners.chat.room.state import RoomState
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest, sasl_plain
from tests.support import cheap_keys

STEPS = 120
KEYS = cheap_keys("sesame")
CAPS = ("", " message-tags batch", " netd.dev/resume", " echo-message away-notify")
ACCOUNTS = ("anna", "bob", "carl")


def a_room(chance: random.Random) -> RoomUnderTest:
    limits = RoomLimits(
        channels_per_member=4, clients_per_account=chance.randint(1, 3), absent_members=2
    )
    room = RoomUnderTest(
        accounts={
            "anna": Account("anna", "sesame", always_on=True),
            "bob": Account("bob", "sesame"),
        },
        registration=RegistrationSettings(),
        limits=limits,
        return_timeout_s=30.0,
    )
    room.register_accounts(RegisteredAccount("carl", KEYS, 1.0))
    return room


def connect(room: RoomUnderTest, chance: random.Random) -> FakeClient:
    client = room.connect(chance.choice(("192.0.2.1", "192.0.2.2")))
    nick = chance.choice((*ACCOUNTS, "x", "y", "z"))
    lines = [f"CAP REQ :sasl{chance.choice(CAPS)}", f"NICK {nick}", f"USER {nick} 0 * :x"]
    if chance.random() < 0.6:
        lines += log_in(chance.choice(ACCOUNTS))
    for line in (*lines, "CAP END"):
        client.send_line(line)
    return client


def log_in(account: str) -> list[str]:
    return ["AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl_plain(account, 'sesame')}"]


def some_lines(chance: random.Random) -> list[str]:
    account, channel = chance.choice(ACCOUNTS), f"#{chance.choice('abcdefg')}"
    switch = chance.choice(("ON", "OFF"))
    lines = (
        *(f"REGAIN {account}", "@label=x REGAIN", f"GHOST {account}"),
        *(f"NS IDENTIFY {account} sesame", "NS DROP carl sesame", f"NS SET MULTICLIENT {switch}"),
        *(f"NS SET ALWAYS-ON {switch}", f"JOIN {channel}", f"JOIN {channel}", f"PART {channel}"),
        *("JOIN 0", f"MODE {channel} +{chance.choice('ikRmo')} x", f"INVITE {account} {channel}"),
        *(f"NICK {chance.choice((*ACCOUNTS, 'x', 'y'))}", f"KICK {channel} {account}", "QUIT"),
        *(f"PRIVMSG {account} :hi", f"PRIVMSG {channel} :hi", f"MONITOR + {account}"),
        *("AWAY :x", "AWAY", f"CHATHISTORY LATEST {channel} * 10"),
    )
    return log_in(account) if chance.random() < 0.1 else [chance.choice(lines)]


def step(room: RoomUnderTest, clients: list[FakeClient], chance: random.Random) -> None:
    client = chance.choice(clients) if clients else None
    match chance.choices(range(5), (12, 8, 3, 3, 74))[0]:
        case _ if client is None:
            clients.append(connect(room, chance))
        case 0:
            clients.append(connect(room, chance))
        case 1:
            clients.remove(client)
            chance.choice((room.leave, room.suspend))(client, "gone")
        case 2:
            room.pass_time(chance.choice((1, 20, 40, 100)))
        case 3:
            kind, name = chance.choice(list(EditKind)), chance.choice(("carl", "dora", "anna"))
            edit = AccountEdit(kind, name, chance.choice((KEYS, "")), room.now)
            room.apply(room.core.edit_accounts([edit], room.now))
        case _:
            for line in some_lines(chance):
                if client.client.state is not ClientState.GONE:
                    client.send_line(line)


def faults(state: RoomState) -> Iterator[object]:
    """What does not fit together."""
    for folded, member in state.members.items():
        yield folded != member.folded
        yield any(c.member is not member for c in member.clients)
        yield any(c.state is ClientState.GONE for c in member.clients)
        yield any(member not in state.channels[name].members for name in member.channels)
        yield member.is_registered and not member.clients and member not in state.absent
        yield len(member.channels) > state.settings.limits.channels_per_member
    for channel in state.channels.values():
        present = set(channel.members)
        yield any(state.members.get(member.folded) is not member for member in present)
        yield any(channel.folded not in member.channels for member in present)
        yield set(channel.access.since) - present
        heard = {client for group in channel.audience().values() for client in group}
        yield heard ^ set(channel.clients())
    for lost, ghost in state.ghosts.items():
        yield lost not in lost.member.clients
        yield ghost.claimant is not None and ghost.claimant.member is not lost.member
    yield any(member.clients for member in state.absent)


@pytest.mark.parametrize("seed", range(30))
def test_members_clients_and_channels_fit_together(seed: int) -> None:
    chance = random.Random(seed)
    room = a_room(chance)
    clients: list[FakeClient] = []
    for _ in range(STEPS):
        step(room, clients, chance)
        for client in clients:
            client.read()
        gone = ClientState.GONE
        clients = [client for client in clients if client.client.state is not gone]
        assert not any(faults(room.state))

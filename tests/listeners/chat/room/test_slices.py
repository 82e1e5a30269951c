"""Long answers come in slices: other clients are served in between, and the work is noted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netd.listeners.chat.room import room as room_module
from netd.listeners.chat.room.room import SLICE_WORK
from netd.listeners.chat.room.settings import Account, RoomLimits
from tests.listeners.chat.room.room_under_test import FakeClient, RoomUnderTest
from tests.listeners.chat.room.test_any_line import SAID

_MANY = 200


def _full_room(**settings_: object) -> tuple[RoomUnderTest, FakeClient]:
    room = RoomUnderTest(limits=RoomLimits(list_entries=200, channels_per_member=1000), **settings_)
    for number in range(_MANY):
        room.join(f"member{number}")
    return room, room.join("ann", "batch", "labeled-response", "draft/chathistory")


def _begin(client: FakeClient, line: str) -> list[str]:
    """The first slice of an answer."""
    client.room.apply(client.room.core.receive(client.client, line.encode(), client.room.now))
    return client.read()


def _go_on(client: FakeClient) -> list[str]:
    """The rest of an answer; it takes several slices."""
    lines: list[str] = []
    while client.client.is_replying:
        client.client.work = 0
        client.room.apply(client.room.core.resume(client.client, client.room.now))
        assert client.client.work < 2 * SLICE_WORK
        lines += client.read()
    return lines


@pytest.mark.parametrize(
    ("line", "last"),
    [
        ("WHO *", "315 ann * :End of WHO list"),
        ("WHO #room", "315 ann #room :End of WHO list"),
        (f"WHO *{'?*' * 90}", f"315 ann *{'?*' * 90} :End of WHO list"),
        ("LIST", "323 ann :End of /LIST"),
        ("LIST >0,<9,C>0,!x*", "323 ann :End of /LIST"),
        ("MODE #own +bbbbbbbbb", "368 ann #own :End of channel ban list"),
    ],
)
def test_a_long_reply_comes_in_slices(line: str, last: str) -> None:
    room, ann = _full_room()
    root = room.join("root", channel="#own")
    root.send(*(f"JOIN #channel{number}" for number in range(500)))
    root.send(*(f"MODE #own +b {'x' * 90}{number}!*@*" for number in range(200)))
    first = _begin(ann, line)
    assert ann.client.is_replying
    rest = _go_on(ann)
    whole = first + rest
    assert whole[-1] == f":irc.test {last}"
    assert sum(text.startswith(f":irc.test {last.partition(' ')[0]} ann ") for text in whole) == 1


def test_others_are_served_while_a_reply_is_incomplete() -> None:
    room, ann = _full_room()
    bob = room.join("bob")
    _begin(ann, "WHO #room")
    assert ann.client.is_replying
    assert bob.send("PING x") == [":irc.test PONG irc.test x"]
    bob.send("QUIT")
    rest = _go_on(ann)
    assert not any(" bob " in line for line in rest if " 352 " in line)
    assert rest[-1].startswith(":irc.test 315 ")


def test_a_member_that_leaves_in_the_middle_of_its_reply_is_forgotten() -> None:
    room, ann = _full_room()
    _begin(ann, "WHO *")
    room.leave(ann, "gone")
    assert not ann.client.is_replying


def test_a_labeled_reply_is_one_batch_over_all_its_slices() -> None:
    _, ann = _full_room()
    first = _begin(ann, "@label=who WHO *")
    assert first[0].startswith("@label=who :irc.test BATCH +")
    reference = first[0].split("+")[1].split()[0]
    whole = first + _go_on(ann)
    assert whole[-1] == f":irc.test BATCH -{reference}"
    assert all(line.startswith(f"@batch={reference} ") for line in whole[1:-1])


def test_work_is_noted_at_the_client_that_causes_it() -> None:
    _, ann = _full_room()
    costs = {}
    for line in ("PING x", "WHO *", "NAMES #room", "PART #room", "JOIN #room", "NICK anna"):
        ann.client.work = 0
        ann.send(line)
        costs[line] = ann.client.work
    assert costs["PING x"] < 10
    assert all(
        cost >= _MANY for line, cost in costs.items() if line not in ("PING x", "NAMES #room")
    )


def test_the_comparison_with_bans_is_charged_to_the_member_that_joins_or_speaks() -> None:
    room, ann = _full_room()
    root = room.join("root", channel="#own")
    root.send(*(f"MODE #own +b *{'?*' * 60}{number}!*@*" for number in range(100)))
    for line in ("JOIN #own", "PRIVMSG #own :hello", "NOTICE #own :hello"):
        ann.client.work = 0
        ann.send(line)
        assert ann.client.work > 500


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), SAID | st.none()), max_size=30))
def test_answers_of_any_commands_mix_with_any_commands(
    turns: list[tuple[int, str | None]],
) -> None:
    slices = pytest.MonkeyPatch()
    slices.setattr(room_module, "SLICE_WORK", 1)
    try:
        _mix(turns)
    finally:
        slices.undo()


def _mix(turns: list[tuple[int, str | None]]) -> None:
    room = RoomUnderTest(opers={"a": "b"}, accounts={"acc": Account("acc", "b")}, replay_lines=3)
    clients = [
        room.join("a", "labeled-response", "batch", "message-tags", "sasl", "echo-message"),
        room.join("b"),
        room.join("c", "draft/chathistory", "batch"),
    ]
    for number, line in turns:
        client = clients[number]
        if client.closed:
            continue
        if client.client.is_replying:
            room.apply(room.core.resume(client.client, room.now))
        elif line is not None:
            _begin(client, line)
    for client in clients:
        room.leave(client, "gone")
    assert not room.state.channels
    assert not room.state.members

"""Which changes a query to the database depends on."""

from __future__ import annotations

import pytest

from netd.listeners.chat.room.storage import Change, Query
from netd.listeners.chat.room.stored_message import (
    AddMessage,
    AddParty,
    AddPresence,
    AllConversations,
    Bound,
    ChannelView,
    ConversationView,
    FindMessage,
    MessagesAround,
    RemoveMessage,
    SearchMessages,
    SelectMessages,
    Targets,
)
from netd.listeners.chat.room.stored_state import SetChannelState

ROOM = ChannelView("#a", "ann", 1, 1)
PRIVATE = ConversationView("ann", ("bob",), "")
LATER = Bound(time=1001)
TEXT, PRIVATE_TEXT = (
    AddMessage(log, 10, 1000, True, "PRIVMSG", "a!a@h", "x", "text", "x-a")
    for log in ("#a", "ann bob")
)
PARTY, STAY = AddParty("ann bob", "ann", "bob", "Bob"), AddPresence("#a", "ann", 1, 2)


def select(view: ChannelView | ConversationView, *bounds: Bound | None) -> SelectMessages:
    after, before = bounds
    return SelectMessages(view, after, before, 10, True, True)


def search(*views: ChannelView | AllConversations, before: Bound | None = None) -> SearchMessages:
    return SearchMessages(views, ("text",), "", None, before, 10)


@pytest.mark.parametrize(
    ("query", "change", "expected"),
    [
        (select(ROOM, None, None), TEXT, True),
        (select(ROOM, Bound(5), None), TEXT, True),
        (select(ROOM, None, Bound(11)), TEXT, True),
        (select(ROOM, None, LATER), TEXT, True),
        (select(ROOM, None, Bound(10)), TEXT, False),
        (select(ROOM, None, Bound(time=1000)), TEXT, False),
        (select(ROOM, Bound(5), Bound(8)), TEXT, False),
        (select(ROOM, Bound(20), Bound(8)), TEXT, True),  # they are reversed
        (select(ROOM, None, Bound(10)), STAY, True),
        (select(ROOM, None, Bound(10)), RemoveMessage(3), True),
        (select(ROOM, None, None), PRIVATE_TEXT, False),
        (select(ROOM, None, None), PARTY, False),
        (select(ROOM, None, None), SetChannelState("#a", ""), False),
        (select(ChannelView("#b", "", 1, 1), None, None), TEXT, False),
        (select(PRIVATE, None, None), TEXT, False),
        (select(PRIVATE, None, None), PRIVATE_TEXT, True),
        (select(PRIVATE, None, Bound(3)), PRIVATE_TEXT, False),
        (select(PRIVATE, None, Bound(3)), PARTY, True),
        (MessagesAround(ROOM, Bound(3), 10, True), TEXT, True),
        (MessagesAround(ROOM, Bound(3), 10, True), PRIVATE_TEXT, False),
        (FindMessage(ROOM, 10), TEXT, True),
        (FindMessage(ROOM, 9), TEXT, False),
        (FindMessage(ROOM, 9), RemoveMessage(9), True),
        (search(ROOM), TEXT, True),
        (search(ROOM), PRIVATE_TEXT, False),
        (search(ROOM, AllConversations("ann")), PRIVATE_TEXT, True),
        (search(ROOM, before=Bound(10)), TEXT, False),
        (search(ROOM, before=LATER), TEXT, True),
        (Targets((ROOM,), "ann", 0, 9, 10), TEXT, True),
        (Targets((ROOM,), "ann", 0, 9, 10), PRIVATE_TEXT, True),
        (Targets((ROOM,), "ann", 0, 9, 10), SetChannelState("#a", ""), False),
    ],
)
def test_a_query_awaits_the_changes_that_it_can_depend_on(
    query: Query[object], change: Change, *, expected: bool
) -> None:
    assert query.awaits(change) is expected

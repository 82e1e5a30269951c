from __future__ import annotations

from netd.client.core.irc_client import IrcClient
from tests.client.core.feeding import feed, lines, welcome

CAPS = "batch draft/chathistory draft/read-marker message-tags server-time"


def say(bob: IrcClient, time: str, target: str = "#lounge") -> None:
    feed(bob, f"@time={time} :alice!u@h PRIVMSG {target} :hi")
    conversation = bob.state.conversations.open("alice" if target == "bob" else target)
    conversation.note_message(time, is_mention=False, is_seen=False)


def test_the_current_conversation_is_marked_when_the_user_reads_it() -> None:
    bob = welcome(CAPS)
    assert bob.read() == []
    say(bob, "2030-01-01T10:00:00.5Z")
    assert lines(bob.read()) == ["MARKREAD #lounge timestamp=2030-01-01T10:00:00.500Z"]
    assert bob.read() == [], "once"
    assert bob.state.conversations.current.unread == 0


def test_without_the_capability_marks_stay_here() -> None:
    bob = welcome("server-time")
    say(bob, "2030-01-01T10:00:00.000Z")
    assert bob.read() == []
    assert bob.state.conversations.current.read_until == "2030-01-01T10:00:00.000Z"


def test_a_mark_of_the_server_is_adopted_and_a_malformed_one_ignored() -> None:
    bob = welcome(CAPS)
    say(bob, "2030-01-01T10:00:00.000Z", "bob")
    feed(bob, ":srv MARKREAD alice *", ":srv MARKREAD alice timestamp=soon")
    conversation = bob.state.conversations.open("alice")
    assert conversation.unread == 1
    feed(bob, ":srv MARKREAD alice timestamp=2030-01-01T10:00:00.000Z")
    assert conversation.unread == 0


def test_at_the_start_private_conversations_with_unread_messages_are_opened() -> None:
    bob = IrcClientAtStart()
    assert "CHATHISTORY TARGETS timestamp=1970-01-01T00:00:00.000Z" in bob.asked[-1]
    asked = lines(
        feed(
            bob.client,
            ":srv CHATHISTORY TARGETS alice 2030-01-01T10:00:00.000Z",
            ":srv CHATHISTORY TARGETS carol 2030-01-01T10:00:00.000Z",
            ":srv CHATHISTORY TARGETS #lounge 2030-01-01T10:00:00.000Z",
        )
    )
    assert asked == ["MARKREAD alice", "MARKREAD carol"]
    asked = lines(
        feed(
            bob.client,
            ":srv MARKREAD alice timestamp=2030-01-01T09:00:00.000Z",
            ":srv MARKREAD carol timestamp=2030-01-01T10:00:00.000Z",
        )
    )
    assert asked == ["CHATHISTORY AFTER alice timestamp=2030-01-01T09:00:00.000Z 50"]
    assert bob.client.state.conversations.get("carol") is None


class IrcClientAtStart:
    """A client that has just been welcomed."""

    def __init__(self) -> None:
        self.client = welcome()
        self.client = IrcClient(self.client.state.identity)
        self.client.connected()
        feed(self.client, f"CAP * LS :{CAPS}", f"CAP * ACK :{CAPS}")
        self.asked = lines(feed(self.client, ":srv 001 bob :Welcome"))


def test_conversations_of_the_last_run_are_requested_with_their_marks() -> None:
    client = IrcClient(welcome().state.identity)
    client.state.kept_conversations = ("alice",)
    client.connected()
    feed(client, f"CAP * LS :{CAPS}", f"CAP * ACK :{CAPS}")
    asked = lines(feed(client, ":srv 001 bob :Welcome"))
    assert asked[1:3] == ["MARKREAD alice", "CHATHISTORY LATEST alice * 50"]

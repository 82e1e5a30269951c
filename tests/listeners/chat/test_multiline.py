"""Messages of several lines over real connections: flood control, and a handover in the middle."""

from __future__ import annotations

from tests.listeners.chat.test_handover import Start, start
from tests.listeners.chat.test_service import Irc

__all__ = ["start"]  # a fixture

CAPS = "CAP REQ :batch message-tags draft/multiline"


def member(chat: object, nick: str, *lines: str) -> Irc:
    client: Irc = chat.connect()  # type: ignore[attr-defined]
    client.send(*lines)
    client.register(nick) if not lines else client.send(f"NICK {nick}", f"USER {nick} 0 * :x")
    client.send("CAP END", "JOIN #room")
    client.expect(" 366 ")
    return client


def test_a_hundred_lines_arrive_together_and_soon(start: Start) -> None:
    chat = start(flood_burst=60, flood_rate=0.001)  # too little for so many other lines
    alice, bob = member(chat, "alice", CAPS), member(chat, "bob")
    alice.send("BATCH +1 draft/multiline #room")
    alice.send(*[f"@batch=1 PRIVMSG #room :line {number}" for number in range(100)])
    alice.send("BATCH -1")
    for number in range(100):
        assert bob.expect("PRIVMSG").endswith(f":line {number}")


def test_another_process_gets_the_rest_of_a_message(start: Start) -> None:
    chat = start()
    alice, bob = member(chat, "alice", CAPS), member(chat, "bob")
    alice.send("BATCH +1 draft/multiline #room", "@batch=1 PRIVMSG #room :one", "PING x")
    alice.expect("PONG")
    chat.hand_over()
    alice.send("@batch=1 PRIVMSG #room :two", "BATCH -1")
    assert bob.expect("PRIVMSG").endswith(":one")
    assert bob.expect("PRIVMSG").endswith(":two")

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netd.client.divide import divide, room_bytes
from netd.client.event import Manner
from netd.protocols.irc import MAX_BODY_BYTES


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(16, 100))
def test_the_parts_are_the_text_and_each_fits(text: str, room: int) -> None:
    parts = list(divide(text, room))
    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= room for part in parts)


def test_it_divides_at_spaces_where_it_can() -> None:
    assert list(divide("one two three four", 16)) == ["one two three ", "four"]


def test_a_line_is_full_and_no_fuller() -> None:
    source = "bob!user@a.host"
    room = room_bytes(source, "PRIVMSG", "#lounge", Manner.TEXT)
    assert len(f":{source} PRIVMSG #lounge :".encode()) + room == MAX_BODY_BYTES


def test_an_action_has_less_room() -> None:
    text = room_bytes("bob!u@h", "PRIVMSG", "#lounge", Manner.TEXT)
    action = room_bytes("bob!u@h", "PRIVMSG", "#lounge", Manner.ACTION)
    assert text - action == len("\x01ACTION \x01")


def test_there_is_always_some_room() -> None:
    assert room_bytes("x" * 600, "PRIVMSG", "#lounge", Manner.TEXT) > 0

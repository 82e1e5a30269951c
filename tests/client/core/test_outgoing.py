from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netd.client.core.chat_events import MessageKind
from netd.client.core.outgoing import max_text_bytes, split_text
from netd.protocols.irc import MAX_BODY_BYTES


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(16, 100))
def test_the_parts_are_the_text_and_each_fits(text: str, room: int) -> None:
    parts = list(split_text(text, room))
    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= room for part in parts)


def test_it_divides_at_spaces_where_it_can() -> None:
    assert list(split_text("one two three four", 16)) == ["one two three ", "four"]


def test_a_line_is_full_and_no_fuller() -> None:
    source = "bob!user@a.host"
    room = max_text_bytes(source, "#lounge", MessageKind.TEXT)
    assert len(f":{source} PRIVMSG #lounge :".encode()) + room == MAX_BODY_BYTES


def test_an_action_has_less_room() -> None:
    text = max_text_bytes("bob!u@h", "#lounge", MessageKind.TEXT)
    action = max_text_bytes("bob!u@h", "#lounge", MessageKind.ACTION)
    assert text - action == len("\x01ACTION \x01")


def test_there_is_always_some_room() -> None:
    assert max_text_bytes("x" * 600, "#lounge", MessageKind.TEXT) > 0

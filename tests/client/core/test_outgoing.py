from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netd.client.core.chat_events import MessageKind
from netd.client.core.outgoing import max_text_bytes, split_text
from netd.protocols.irc import MAX_BODY_BYTES


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(16, 100))
def test_the_parts_are_the_text_and_all_fit(text: str, room: int) -> None:
    parts = list(split_text(text, room))
    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= room for part in parts)


def test_it_splits_at_spaces_where_possible() -> None:
    assert list(split_text("one two three four", 16)) == ["one two three ", "four"]


def test_a_line_is_filled_to_its_limit() -> None:
    source = "bob!user@a.host"
    room = max_text_bytes(source, "#lounge", MessageKind.TEXT)
    assert len(f":{source} PRIVMSG #lounge :".encode()) + room == MAX_BODY_BYTES


def test_an_action_has_less_room() -> None:
    text = max_text_bytes("bob!u@h", "#lounge", MessageKind.TEXT)
    action = max_text_bytes("bob!u@h", "#lounge", MessageKind.ACTION)
    assert text - action == len("\x01ACTION \x01")


def test_there_is_always_room_for_some_text() -> None:
    assert max_text_bytes("x" * 600, "#lounge", MessageKind.TEXT) > 0

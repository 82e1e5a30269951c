from __future__ import annotations

import pytest

from netd.client.core.chat_events import Delivered, Undelivered
from netd.client.core.outbox import MAX_WAITING, WINDOW, Outbox
from netd.client.core.outgoing import OutgoingMessage


def always(_target: str) -> bool:
    return True


def outbox_of(*texts: str, burst: int = 100) -> Outbox:
    outbox = Outbox(burst, 2.0, str.lower)
    for text in texts:
        assert outbox.put(OutgoingMessage("#c", text))
    return outbox


def texts(released: list[OutgoingMessage]) -> list[str]:
    return [message.text for message in released]


def test_at_most_a_window_is_unconfirmed() -> None:
    outbox = outbox_of(*map(str, range(2 * WINDOW)))
    first = outbox.due(0, always)
    assert texts(first) == [str(n) for n in range(WINDOW)]
    assert outbox.due(100, always) == []
    assert outbox.delay_s() is None, "the server's answer opens the window, not time"
    outbox.on_pong(first[1].ping_token)
    assert texts(outbox.due(100, always)) == ["5", "6"]


def test_a_burst_then_a_steady_rate() -> None:
    outbox = outbox_of("a", "b", "c", burst=2)
    assert texts(outbox.due(10, always)) == ["a", "b"]
    assert outbox.delay_s() == pytest.approx(0.5)
    assert outbox.due(10.4, always) == []
    assert texts(outbox.due(10.5, always)) == ["c"]


def test_a_message_waits_until_its_target_can_be_sent_to() -> None:
    outbox = outbox_of("a")
    assert outbox.due(0, lambda _target: False) == []
    assert texts(outbox.due(0, always)) == ["a"]


def test_a_waiting_target_does_not_delay_other_targets() -> None:
    outbox = outbox_of("a", "b")
    outbox.put(OutgoingMessage("alice", "c"))
    assert texts(outbox.due(0, lambda target: target == "alice")) == ["c"]
    assert texts(outbox.due(0, always)) == ["a", "b"]


def test_an_echo_confirms_the_oldest_of_its_target() -> None:
    outbox = outbox_of("a", "b")
    outbox.due(0, always)
    assert outbox.on_echo("#C", "a") == [Delivered("#c", "a")]
    assert outbox.on_echo("#other", "") == []
    assert len(outbox) == 1


def test_a_pong_confirms_all_before_its_ping() -> None:
    outbox = outbox_of("a", "b", "c")
    _, second, _ = outbox.due(0, always)
    assert outbox.on_pong(second.ping_token) == [Delivered("#c", "a"), Delivered("#c", "b")]
    assert outbox.on_pong("somebody-else's") == []
    assert len(outbox) == 1


def test_a_refused_message_is_not_confirmed_later() -> None:
    outbox = outbox_of("a")
    (sent,) = outbox.due(0, always)
    assert outbox.on_refusal("#c", "no") == [Undelivered("#c", "a", "no")]
    assert outbox.on_pong(sent.ping_token) == []
    assert outbox.on_refusal("#c", "no") == []


def test_after_a_lost_connection_the_unconfirmed_go_first() -> None:
    outbox = outbox_of("a", "b", burst=1)
    (sent,) = outbox.due(0, always)
    outbox.requeue()
    assert texts(outbox.due(9, always)) == ["a"]
    assert sent.times_sent == 2


def test_messages_for_a_left_channel_are_dropped() -> None:
    outbox = outbox_of("a")
    outbox.put(OutgoingMessage("#d", "b"))
    assert outbox.drop("#c", "banned") == [Undelivered("#c", "a", "banned")]
    assert texts(outbox.due(0, always)) == ["b"]


def test_all_that_is_not_confirmed_is_abandoned_in_its_order() -> None:
    outbox = outbox_of("a", "b", "c", burst=2)
    (first, _) = outbox.due(0, always)
    outbox.on_pong(first.ping_token)
    assert outbox.abandon("left") == [
        Undelivered("#c", "b", "left"),
        Undelivered("#c", "c", "left"),
    ]
    assert len(outbox) == 0


def test_its_length_is_bounded() -> None:
    outbox = outbox_of(*map(str, range(MAX_WAITING)))
    assert outbox.is_full
    assert not outbox.put(OutgoingMessage("#c", "one more"))
    assert len(outbox) == MAX_WAITING


def test_a_text_is_taken_whole_or_not_at_all() -> None:
    outbox = outbox_of(*map(str, range(MAX_WAITING - 1)))
    assert outbox.put(OutgoingMessage("#c", "one "), OutgoingMessage("#c", "more"))
    assert len(outbox) == MAX_WAITING + 1

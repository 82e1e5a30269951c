"""The order of password checks: fair between sources, and slow for a source that guesses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netd.config.address import Address
from netd.listeners.logins.login_options import LoginOptions
from netd.listeners.logins.login_queue import (
    MAX_DELAYED_S,
    MAX_SOURCES,
    SOURCE,
    LoginQueue,
)


def queue_of(**options: Any) -> LoginQueue[str]:
    address = Address.parse("tcp://127.0.0.1:0")
    return LoginQueue(LoginOptions(kind="test", address=(address,), **options))


def checks_of(queue: LoginQueue[str], now: float) -> list[str]:
    """All checks that may begin now, in order."""
    taken = []
    while (one := queue.take(now)) is not None:
        taken.append(one[1])
    return taken


def test_sources_take_turns() -> None:
    queue = queue_of()
    for check in ("a1", "a2", "a3", "b1", "b2", "c1", "c2"):
        assert queue.add(check[0], check, 0) == []
    assert len(queue) == 7
    assert checks_of(queue, 0) == ["a1", "b1", "c1", "a2", "b2", "c2", "a3"]
    assert (len(queue), queue.next_s(0)) == (0, None)


def test_a_source_that_guessed_comes_after_others_and_one_that_logged_in_before_them() -> None:
    queue = queue_of(max_login_delay=0.0)
    queue.record_wrong("guesser", 0)
    queue.record_right("known")
    for source in ("guesser", "new", "known"):
        queue.add(source, source, 0)
    assert checks_of(queue, 0) == ["known", "new", "guesser"]


def test_a_first_request_overtakes_sources_that_send_many() -> None:
    queue = queue_of(max_waiting_logins=8)
    for number in range(200):
        queue.add(number % 50, f"flood {number}", 0)
    assert len(queue) == 8
    refused = queue.add("new", "new", 0)
    assert len(refused) == 1
    assert refused != ["new"]
    assert queue.take(0) == ("new", "new")
    assert queue.add("new", "again", 61) != ["again"]
    assert queue.take(61) == ("new", "again")


def test_the_delay_doubles_with_each_wrong_password() -> None:
    queue = queue_of()
    now, delays = 0.0, []
    for _ in range(5):
        queue.record_wrong("a", now)
        assert queue.is_delayed("a", now)
        queue.add("a", "guess", now)
        delay = queue.next_s(now)
        assert delay is not None
        assert queue.take(now + delay - 0.01) is None
        now += delay
        delays.append(delay)
        assert queue.take(now) == ("a", "guess")
    assert delays == [1, 2, 4, 8, 8]
    assert not queue.is_delayed("b", now)


def test_a_delay_goes_on_after_a_handover() -> None:
    before, after = queue_of(), queue_of()
    before.record_wrong("a", 100)
    before.record_wrong("a", 101)
    after.load({key: SOURCE.load(history) for key, history in before.save()})
    assert after.add("a", "repeated", 102) == []
    assert after.next_s(102) == 1
    after.record_wrong("a", 103)
    assert after.next_s(103) == 4


def test_wrong_passwords_are_forgiven_one_a_minute() -> None:
    queue = queue_of()
    for _ in range(3):
        queue.record_wrong("a", 0)
    queue.record_wrong("a", 120)  # the second one that counts
    queue.add("a", "guess", 120)
    assert queue.next_s(120) == 2
    assert not queue.is_delayed("b", 120)


def test_a_source_may_have_only_so_many_checks_waiting() -> None:
    queue = queue_of(max_waiting_logins_per_address=2)
    assert [queue.add("a", str(number), 0) for number in range(4)] == [[], [], ["2"], ["3"]]
    assert queue.add("b", "b", 0) == []


def test_a_check_that_would_be_delayed_too_long_is_refused() -> None:
    queue = queue_of()
    for number in range(16):
        queue.add("a", str(number), 0)
    assert queue.record_wrong("a", 0) == [str(number) for number in range(15, 9, -1)]
    for _ in range(3):
        queue.record_wrong("a", 0)
    assert (len(queue), queue.next_s(0)) == (1, 8)  # the next would be delayed 16 s
    assert queue.add("a", "one more", 0) == ["one more"]


def test_a_full_queue_refuses_the_worst_source() -> None:
    queue = queue_of(max_waiting_logins=4, max_login_delay=0.0)
    queue.record_wrong("guesser", 0)
    for check in ("g1", "g2", "a1", "a2"):
        queue.add("guesser" if check[0] == "g" else "a", check, 0)
    assert queue.add("guesser", "g3", 0) == ["g3"]
    assert queue.add("b", "b1", 0) == ["g2"]
    assert queue.add("c", "c1", 0) == ["g1"]
    assert queue.add("d", "d1", 0) == ["a2"]  # the source with most checks
    assert queue.add("e", "e1", 0) == ["a1"]  # the source with most requests
    assert queue.add("f", "f1", 0) == ["f1"]
    queue.record_right("g")
    assert queue.add("g", "g1", 0) == ["b1"]
    assert checks_of(queue, 0) == ["g1", "c1", "d1", "e1"]


def test_the_table_of_sources_is_bounded() -> None:
    queue = queue_of()
    queue.add("waiting", "check", 0)
    queue.record_wrong("guesser", 0)
    for number in range(MAX_SOURCES):
        queue.record_wrong(number, 0)
    assert not queue.is_delayed("guesser", 0)
    assert queue.is_delayed(MAX_SOURCES - 1, 0)
    assert queue.take(0) == ("waiting", "check")


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "take", "wrong", "right"]), st.integers(0, 4)),
        max_size=200,
    ),
    st.integers(1, 8),
    st.integers(1, 4),
    st.sampled_from([0.0, 8.0]),
)
def test_every_check_is_taken_or_refused_once(
    steps: list[tuple[str, int]], waiting: int, of_source: int, delay: float
) -> None:
    queue = queue_of(
        max_waiting_logins=waiting,
        max_waiting_logins_per_address=of_source,
        max_login_delay=delay,
    )
    added: list[str] = []
    ended: list[str] = []
    now = 0.0
    for step, source in steps:
        now += 0.5
        match step:
            case "add":
                added.append(f"{source} {len(added)}")
                ended += queue.add(source, added[-1], now)
            case "take":
                taken = queue.take(now)
                ended += [taken[1]] if taken else []
            case "wrong":
                ended += queue.record_wrong(source, now)
            case "right":
                queue.record_right(source)
        assert len(queue) == len(added) - len(ended) <= waiting
    next_s = queue.next_s(now)
    assert next_s is None or next_s <= MAX_DELAYED_S
    ended += checks_of(queue, now + MAX_DELAYED_S)
    assert sorted(ended) == sorted(added)


@pytest.mark.parametrize("delay", [1.0, 60.0])
def test_the_delay_is_an_option(delay: float) -> None:
    queue = queue_of(max_login_delay=delay)
    for _ in range(20):
        queue.record_wrong("a", 0)
    assert (queue.add("a", "guess", 0) == []) == (delay <= MAX_DELAYED_S)

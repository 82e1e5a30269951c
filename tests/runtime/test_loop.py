from __future__ import annotations

import itertools
import os
import socket
from functools import partial

import pytest

from netd.runtime.loop import OUTPUT_S, Loop
from netd.runtime.poller import (
    FD_SETSIZE,
    POLLERS,
    READ,
    WRITE,
    EpollPoller,
    PollerFullError,
    SelectPoller,
)


@pytest.fixture(params=POLLERS)
def loop(request: pytest.FixtureRequest) -> Loop:
    return Loop(POLLERS[request.param]())


def test_a_readable_and_writable_socket_is_reported_as_both(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        masks: list[int] = []
        loop.watch(ours.fileno(), READ | WRITE, masks.append)
        loop.turn()
        loop.modify(ours.fileno(), READ)
        loop.turn()
        loop.unwatch(ours.fileno())
        assert masks == [READ | WRITE, READ]
    loop.close()


def test_a_closed_peer_makes_a_socket_readable(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        masks: list[int] = []
        loop.watch(ours.fileno(), READ, masks.append)
        loop.turn()
        assert masks[0] & ~WRITE
    loop.close()


def test_a_callback_may_unwatch_another_ready_descriptor(loop: Loop) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[int] = []

    def forget_both(_mask: int) -> None:
        called.append(1)
        for ours, _ in pairs:
            loop.unwatch(ours.fileno())

    for ours, theirs in pairs:
        theirs.send(b"x")
        loop.watch(ours.fileno(), READ, forget_both)
    loop.turn()
    assert called == [1]
    for sock in (sock for pair in pairs for sock in pair):
        sock.close()
    loop.close()


@pytest.mark.parametrize("poller", POLLERS)
def test_timers_fire_in_order_and_a_cancelled_one_never(poller: str) -> None:
    clock = itertools.count(0.0, 0.0001)  # no time passes between two calls
    loop = Loop(POLLERS[poller](), lambda: next(clock))
    fired: list[str] = []
    loop.call_later(0.002, lambda: fired.append("second"))
    loop.call_later(0.001, lambda: fired.append("first"))
    loop.call_later(0, lambda: fired.append("never")).cancel()
    loop.call_later(0.003, loop.stop)
    loop.run()
    assert fired == ["first", "second"]
    loop.close()


def test_a_repeating_timer_fires_until_it_is_cancelled(loop: Loop) -> None:
    fired: list[int] = []

    def beat() -> None:
        fired.append(1)
        if len(fired) == 3:
            timer.cancel()
            loop.call_later(0.01, loop.stop)

    timer = loop.call_every(0.001, beat)
    loop.run()
    assert len(fired) == 3
    loop.close()


def test_deferred_calls_run_at_the_end_of_the_turn_even_if_they_defer_more(loop: Loop) -> None:
    order: list[str] = []

    def first() -> None:
        order.append("a")
        loop.defer(lambda: order.append("b"))

    loop.defer(first)
    loop.turn()
    assert order == ["a", "b"]
    loop.close()


@pytest.mark.parametrize("poller", POLLERS)
def test_output_that_takes_long_waits_for_the_next_turn(poller: str) -> None:
    clock_s = [0.0]
    loop = Loop(POLLERS[poller](), lambda: clock_s[0])
    done: list[int] = []

    def send(number: int) -> None:
        done.append(number)
        clock_s[0] += 2 * OUTPUT_S

    for number in range(3):
        loop.defer_output(partial(send, number))
    loop.turn()
    assert done == [0]
    loop.turn()
    assert done == [0, 1]
    loop.stop()
    loop.turn()
    assert done == [0, 1, 2]
    loop.close()


def test_a_loop_that_stops_does_all_output_first(loop: Loop) -> None:
    done: list[str] = []

    def close() -> None:
        done.append("closed")
        loop.defer_output(lambda: done.append("last"))

    loop.defer_output(lambda: loop.defer(close))
    loop.stop()
    loop.turn()
    assert done == ["closed", "last"]
    loop.close()


def test_input_comes_before_timers_that_are_due(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        order: list[str] = []
        loop.call_later(0, lambda: order.append("timer"))
        theirs.send(b"x")
        loop.watch(ours.fileno(), READ, lambda _mask: order.append("input"))
        loop.turn()
        assert order == ["input", "timer"]
    loop.close()


def test_another_poller_takes_over_the_watched_descriptors(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        masks: list[int] = []
        loop.watch(ours.fileno(), READ, masks.append)
        for poller in POLLERS.values():
            loop.use_poller(poller())
            theirs.send(b"x")
            loop.turn()
        assert masks == [READ] * len(POLLERS)
    loop.close()


@pytest.mark.usefixtures("many_descriptors")
def test_select_refuses_high_descriptors_and_the_loop_keeps_its_poller() -> None:
    ours, theirs = socket.socketpair()
    high = FD_SETSIZE
    with ours, theirs:
        os.dup2(ours.fileno(), high)
        loop = Loop(SelectPoller())
        with pytest.raises(PollerFullError, match="below 1024, not 1024"):
            loop.watch(high, READ, print)
        masks: list[int] = []
        loop.watch(ours.fileno(), READ, masks.append)
        theirs.send(b"x")
        loop.turn()
        assert masks == [READ]
        os.close(high)
        loop.close()


def test_with_a_guard_it_outlives_every_call_that_fails() -> None:
    errors: list[Exception] = []
    guarded = Loop(EpollPoller(), on_error=errors.append)
    reader, writer = socket.socketpair()
    calls: list[str] = []

    def fail(name: str) -> None:
        calls.append(name)
        raise ValueError(name)

    with reader, writer:
        guarded.watch(reader.fileno(), READ, lambda _mask: fail("ready"))
        guarded.call_every(0.001, lambda: fail("timer"))
        guarded.defer(lambda: fail("deferred"))
        guarded.defer(lambda: calls.append("the next deferred"))
        writer.send(b"x")
        while calls.count("ready") < 2 or calls.count("timer") < 2:
            guarded.turn()
        guarded.unwatch(reader.fileno())
    assert calls.index("the next deferred") > calls.index("deferred")
    assert {str(error) for error in errors} == {"ready", "timer", "deferred"}
    assert guarded.errors == len(errors)
    assert calls.count("timer") > calls.count("ready")  # a failing descriptor does not spin
    guarded.close()

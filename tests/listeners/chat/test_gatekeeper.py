"""Which connections are admitted."""

from __future__ import annotations

from dataclasses import replace

from netd.config.schema import read_options
from netd.listeners.chat import KIND
from netd.listeners.chat.gatekeeper import MAX_SOURCES, ConnectThrottle
from netd.listeners.chat.options import ChatOptions
from tests.conftest import StartWorker
from tests.listeners.chat.test_service import Irc
from tests.support import read_all

OPTIONS = read_options(
    ChatOptions,
    {"kind": "chat", "address": "tcp://[::]:0", "connect_burst": 2, "connect_rate": 0.5},
)


def test_a_burst_then_a_steady_rate() -> None:
    throttle = ConnectThrottle()
    assert [throttle.admits("192.0.2.1", 100, OPTIONS) for _ in range(3)] == [True, True, False]
    assert not throttle.admits("192.0.2.1", 101, OPTIONS)
    assert throttle.admits("192.0.2.1", 103, OPTIONS)
    assert not throttle.admits("192.0.2.1", 103.5, OPTIONS)
    assert throttle.admits("192.0.2.2", 103.5, OPTIONS)


def test_an_ipv6_site_counts_as_one() -> None:
    throttle = ConnectThrottle()
    hosts = ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")
    assert [throttle.admits(host, 100, OPTIONS) for host in hosts] == [True, True, False, True]


def test_exempt_and_local_clients_connect_as_often_as_they_like() -> None:
    throttle = ConnectThrottle()
    for host in ("", "127.0.0.1", "::1"):
        assert all(throttle.admits(host, 100, OPTIONS) for _ in range(5))
    unlimited = replace(OPTIONS, connect_rate=0.0)
    assert all(throttle.admits("192.0.2.1", 100, unlimited) for _ in range(5))


def test_the_source_that_connected_least_recently_is_forgotten_first() -> None:
    throttle = ConnectThrottle()
    for _ in range(3):
        throttle.admits("192.0.2.1", 100, OPTIONS)
    for number in range(MAX_SOURCES):
        throttle.admits(f"10.0.{number >> 8}.{number & 255}", 100, OPTIONS)
    assert throttle.admits("192.0.2.1", 100, OPTIONS)


def test_a_client_that_connects_too_often_is_refused_and_counted(start_worker: StartWorker) -> None:
    options = {"server_name": "irc.test", "connect_exempt": [], "connect_burst": 3}
    worker = start_worker(KIND, {**options, "connect_rate": 0.001}, ["tcp://127.0.0.1:0"])
    present = [Irc(worker.connect()).register(f"n{number}") for number in range(3)]
    with worker.connect() as fourth:
        assert b"in a short time, try again later)\r\n" in read_all(fourth)
    counters = worker.await_counters(lambda seen: seen["refused_too_often"] == 1)
    assert (counters["refused"], counters["accepted"]) == (1, 3)
    worker.configure({**options, "connect_rate": 0})
    present.append(Irc(worker.connect()).register("fourth"))
    for client in present:
        client.sync()
        client.close()

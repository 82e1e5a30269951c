"""The counts of responses, from a worker's traffic."""

from __future__ import annotations

from netd.listeners.http.response.statistics import Statistics
from tests.listeners.http.http_client import HELLO, Response, Start, ask


def test_each_response_is_counted_once_whether_it_is_cached_or_not(start: Start) -> None:
    worker = start(HELLO)
    with worker.connect() as sock:
        for count in (1, 1, 3):  # not cached, cached, and cached after another one
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * count)
            assert [Response(sock).status for _ in range(count)] == [200] * count
    assert ask(worker, "/none").status == 404
    assert ask(worker, "/hello", method="BREW").status == 501
    with worker.connect() as sock:
        sock.sendall(b"GET\r\n\r\n")
        assert Response(sock).status == 400
    expected = {"GET 200": 5, "GET 404": 1, "other 501": 1, "other 400": 1}
    worker.await_counters(lambda _: worker.series["responses"] == expected)
    assert sum(worker.series["durations"].values()) == 8


def test_durations_are_counted_by_their_upper_bounds() -> None:
    statistics = Statistics()
    for duration_s in (0.0, 0.001, 0.0011, 10.0, 11.0):
        statistics.add("GET", 200, duration_s)
    statistics.tally("GET", 200)[0] += 1
    durations = {bound: n for bound, n in statistics.series()["durations"].items() if n}
    assert durations == {"0.001": 3, "0.0025": 1, "10.0": 1, "+Inf": 1}
    assert statistics.total_us == 21_002_100

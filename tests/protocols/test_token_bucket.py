from __future__ import annotations

from netd.protocols.token_bucket import TokenBucket


def test_a_burst_is_allowed_at_once_and_nothing_after_it() -> None:
    bucket = TokenBucket(0.0, burst=3)
    assert [bucket.take(0.0, rate=1, burst=3) for _ in range(4)] == [True, True, True, False]


def test_tokens_come_back_at_the_rate() -> None:
    bucket = TokenBucket(0.0, burst=1)
    assert bucket.take(0.0, rate=2, burst=1)
    assert not bucket.take(0.25, rate=2, burst=1)
    assert bucket.wait_s(rate=2) == 0.25
    assert bucket.take(0.5, rate=2, burst=1)


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(0.0, burst=2)
    bucket.refill(1000.0, rate=5, burst=2)
    assert bucket.wait_s(rate=5) == 0
    assert [bucket.take(1000.0, rate=5, burst=2) for _ in range(3)] == [True, True, False]


def test_a_lower_burst_applies_to_a_bucket_in_use() -> None:
    bucket = TokenBucket(0.0, burst=10)
    assert bucket.take(0.0, rate=1, burst=1)
    assert not bucket.take(0.0, rate=1, burst=1)

"""The queue of inputs, against an engine that loses connections at any moment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netd.listeners.chat.cluster.append_queue import MAX_BATCH, MAX_BATCH_BYTES, AppendQueue, Batch


class _Engine:
    """As APPEND does: it skips what it has, and takes no gap."""

    def __init__(self) -> None:
        self.log: list[bytes] = []

    def take(self, batch: Batch) -> None:
        skipped = len(self.log) - batch.first + 1
        assert skipped >= 0, "a gap"
        self.log += batch.payloads[skipped:]


_STEPS = st.lists(st.sampled_from(["add", "send", "send and lose", "cut", "read"]), max_size=60)


@given(_STEPS)
def test_each_input_is_in_the_log_once_in_order(steps: list[str]) -> None:
    queue, engine, added = AppendQueue(), _Engine(), 0
    is_lossy = False
    for step in [*steps, "cut", "send", "read"]:
        if step == "add":
            queue.add(b"%d" % added, 0.0)
            added += 1
        elif step in ("send", "send and lose"):
            is_lossy = is_lossy or step == "send and lose"
            while (batch := queue.next_batch()) is not None:
                if not is_lossy:
                    engine.take(batch)
        elif step == "cut":
            is_lossy = False
            queue.send_again()
        else:
            queue.confirm(len(engine.log))
    assert engine.log == [b"%d" % number for number in range(added)]
    assert len(queue) == queue.bytes == 0


def test_a_batch_is_bounded_in_number_and_in_size() -> None:
    queue = AppendQueue()
    for _ in range(MAX_BATCH + 1):
        queue.add(b"x", 0.0)
    queue.add(b"x" * MAX_BATCH_BYTES, 0.0)
    sizes = []
    while (batch := queue.next_batch()) is not None:
        sizes.append(len(batch.payloads))
    assert sizes == [MAX_BATCH, 1, 1]


def test_only_an_input_that_was_never_sent_is_given_up() -> None:
    queue = AppendQueue()
    queue.add(b"sent", 1.0)
    queue.next_batch()
    queue.add(b"kept", 1.0)
    queue.add(b"old", 1.0)
    queue.add(b"new", 2.0)
    assert queue.expire(1.5, lambda payload: payload != b"kept") == [b"old"]
    queue.send_again()
    batch = queue.next_batch()
    assert batch is not None
    assert batch.payloads == [b"sent", b"kept", b"new"]


def test_a_process_that_continues_a_killed_one_counts_on_from_its_last_input() -> None:
    queue = AppendQueue()
    queue.confirm(7)
    queue.add(b"next", 1.0)
    batch = queue.next_batch()
    assert batch is not None
    assert batch.first == 8

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from netd.supervisor.handoff_table import HandoffTable


@pytest.fixture
def table() -> Iterator[HandoffTable]:
    table = HandoffTable({})
    yield table
    table.keep_only(())


def pass_on(table: HandoffTable) -> dict[str, int]:
    """Descriptors by label, as the next process gets them."""
    return {label: os.dup(ends[0].fileno()) for label, ends in table.labelled().items()}


def test_a_queue_is_opened_once(table: HandoffTable) -> None:
    table.open(["lounge"])
    before = table["lounge"]
    table.open(["lounge", "garden"])
    assert table["lounge"] is before
    table["lounge"].entry.send(b"record")
    assert table["lounge"].exit.recv(100) == b"record"
    with contextlib.suppress(BlockingIOError):
        table["garden"].exit.recv(100)
        raise AssertionError("the other queue has the record")


def test_a_burst_of_connections_can_wait(table: HandoffTable) -> None:
    table.open(["lounge"])
    for _ in range(300):
        table["lounge"].entry.send(b"x" * 500)


def test_unused_queues_are_closed(table: HandoffTable) -> None:
    table.open(["lounge", "garden"])
    queue = table["garden"]
    table.keep_only(["lounge"])
    assert queue.entry.fileno() == queue.exit.fileno() == -1
    assert list(table.labelled()) == ["handoff.lounge.in", "handoff.lounge.out"]


def test_what_waits_in_a_queue_survives_the_process(table: HandoffTable) -> None:
    table.open(["lounge"])
    table["lounge"].entry.send(b"record")
    passed = {**pass_on(table), "clients.lounge.0": 99}
    table.keep_only(())
    with contextlib.closing(Closing(HandoffTable(passed))) as following:
        assert passed == {"clients.lounge.0": 99}  # only its own ones are taken
        following.table.open(["lounge"])
        queue = following.table["lounge"]
        assert queue.exit.recv(100) == b"record"
        assert not queue.exit.getblocking()
        assert not queue.exit.get_inheritable()


def test_one_end_alone_is_of_no_use(table: HandoffTable) -> None:
    table.open(["lounge"])
    passed = pass_on(table)
    left = passed.pop("handoff.lounge.in")
    with contextlib.closing(Closing(HandoffTable(passed))) as following:
        assert following.table.labelled() == {}
        with socket.socket(fileno=left) as entry:
            table.keep_only(())
            with pytest.raises(OSError, match="Broken pipe"):
                entry.send(b"x")


class Closing:
    """A table whose queues are closed at the end."""

    def __init__(self, table: HandoffTable) -> None:
        self.table = table

    def close(self) -> None:
        self.table.keep_only(())

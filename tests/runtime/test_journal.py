from __future__ import annotations

import logging
import os
import re
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.runtime import journal
from netd.runtime.process import spawn
from tests.support import PATIENCE_S


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The logger of netd, restored after the test."""
    logger = logging.getLogger("netd")
    before = logger.handlers[:], logger.level, logger.propagate
    yield logger
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:], logger.level, logger.propagate = before


class Journal:
    """A datagram socket in place of the journal's."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(PATIENCE_S)
        self.sock.bind(self.path)

    def next(self) -> dict[str, str]:
        """Return the fields of the next record, parsed as systemd does."""
        data, fields = self.sock.recv(65536), {}
        while data:
            line, _, data = data.partition(b"\n")
            name, found, value = line.partition(b"=")
            if not found:
                (size,) = struct.unpack_from("<Q", data)
                value, data = data[8 : 8 + size], data[9 + size :]
            fields[name.decode()] = value.decode()
        return fields


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Journal]:
    server = Journal(tmp_path / "journal")
    yield server
    server.sock.close()


def test_the_journal_gets_fields(log: logging.Logger, server: Journal) -> None:
    log.handlers[:] = [journal.JournalHandler(server.path)]
    journal.name_listener("web")
    log.error("two\nlines from %r", b"\x1b[31m\n")
    assert server.next() == {
        "MESSAGE": "two\nlines from b'\\x1b[31m\\n'",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "netd",
        "LISTENER": "web",
    }
    log.warning("of another", extra={"listener": "echo"})
    assert server.next()["LISTENER"] == "echo"


def test_a_child_process_opens_its_own_connection(log: logging.Logger, server: Journal) -> None:
    """The inherited descriptors are closed, and the child's first files get their numbers."""
    log.handlers[:] = [journal.JournalHandler(server.path)]
    ours, theirs = socket.socketpair()

    def child() -> None:
        logging.getLogger().handlers.clear()  # the child has no descriptors for pytest's handlers
        for _ in range(64):
            os.dup(theirs.fileno())
        log.warning("of a child")

    process = spawn(child, keep=(theirs.fileno(),))
    theirs.close()
    assert server.next()["MESSAGE"] == "of a child"
    assert ours.recv(1) == b""
    ours.close()
    exit_ = process.reap()
    while exit_ is None:
        select.select([process.pidfd], [], [], PATIENCE_S)
        exit_ = process.reap()
    log.warning("of the parent")
    assert server.next()["MESSAGE"] == "of the parent"


def test_if_the_journal_does_not_read_only_records_beyond_the_queue_are_lost(
    log: logging.Logger, server: Journal
) -> None:
    handler = journal.JournalHandler(server.path)
    log.handlers[:] = [handler]
    sent = 0
    while not handler.lost:  # until its queue and the handler's are full
        log.warning("%d", sent)
        sent += 1
    for _ in range(1000):
        log.warning("lost")
    assert handler.lost == 1001
    for number in range(sent - 1):
        assert server.next()["MESSAGE"] == str(number)
        journal.flush_log()
    assert server.next()["MESSAGE"] == "1001 log records were lost"
    assert handler.lost == 0
    log.warning("well again")
    assert server.next()["MESSAGE"] == "well again"


def test_a_reader_of_stderr_that_does_not_read_never_blocks(log: logging.Logger) -> None:
    ours, theirs = os.pipe()
    handler = journal.LineHandler(theirs, with_priority=True)
    log.handlers[:] = [handler]
    sent = 0
    while not handler.lost:
        log.warning("%d %s", sent, "x" * 3000)
        sent += 1
    expected = b"".join(b"<4>%d %s\n" % (number, b"x" * 3000) for number in range(sent - 1))
    expected += b"<4>1 log records were lost\n"
    found = b""
    while len(found) < len(expected):
        found += os.read(ours, 65536)
        journal.flush_log()
    assert found == expected
    os.close(ours)
    log.warning("no reader is left")  # EPIPE
    assert handler.lost == 1
    os.close(theirs)


def test_a_full_disk_behind_stderr_raises_nothing(log: logging.Logger) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    handler = journal.LineHandler(full, with_priority=True)
    log.handlers[:] = [handler]
    log.warning("no space left")
    assert handler.lost == 1
    os.close(full)


def test_a_value_cannot_forge_a_field(log: logging.Logger, server: Journal) -> None:
    log.handlers[:] = [journal.JournalHandler(server.path)]
    log.error("%s", "x\nPRIORITY=0\nLISTENER=forged")
    fields = server.next()
    assert (fields["PRIORITY"], fields.get("LISTENER")) == ("3", None)


def test_a_long_message_is_truncated_to_fit_into_a_datagram(
    log: logging.Logger, server: Journal
) -> None:
    log.handlers[:] = [journal.JournalHandler(server.path)]
    log.error("x" * 1_000_000)
    assert set(server.next()["MESSAGE"]) == {"x"}


def test_a_traceback_is_part_of_the_message(log: logging.Logger, server: Journal) -> None:
    log.handlers[:] = [journal.JournalHandler(server.path)]
    try:
        int("x")
    except ValueError:
        log.exception("failed")
    message = server.next()["MESSAGE"]
    assert message.startswith("failed\nTraceback ")
    assert message.endswith("invalid literal for int() with base 10: 'x'")


def test_every_line_for_the_journal_has_a_priority(
    log: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    log.handlers[:] = [journal.LineHandler(with_priority=True)]
    log.warning("one\ntwo\r\x00")
    assert capfd.readouterr().err == "<4>one\n<4>  two\\x0d\\x00\n"


def test_lines_for_a_terminal_have_time_process_and_level(
    log: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    journal.configure_logging()
    log.info("ready")
    log.error("broken: %s", "x\n12:00:00 netd[1] forged")
    info, error, more = capfd.readouterr().err.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d netd\[\d+\] ready", info)
    assert error.endswith("] error: broken: x")
    assert more == "  12:00:00 netd[1] forged"

"""The access log."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netd.listeners.http.files.representation import SETTLED_NS
from netd.listeners.http.response import log_writer
from netd.listeners.http.response.log_writer import LogWriter
from tests.listeners.http.http_client import HELLO, Response, Start, ask, write
from tests.support import PATIENCE_S, wait_until

WRITER = """
from netd.config.address import Address
from netd.listeners.http.response.access_log import AccessLog
from netd.listeners.http.options import HttpOptions
log = AccessLog(HttpOptions(address=(Address.parse("tcp://127.0.0.1:0"),), access_log="-"))
head = b"GET / HTTP/1.1\\r\\nUser-Agent: " + b"x" * 1500 + b"\\r\\n\\r\\n"
for _ in range(900):
    log.add("192.0.2.1", head, 200, 1, 0.0)
print(flush=True)
log.close(60)
"""


def test_access_log(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    options = {"access_log": str(log), "forwarded_from": ["127.0.0.0/8", "10.0.0.0/8"]}
    worker = start(HELLO, **options)
    for _ in range(2):
        ask(
            worker,
            "/hello",
            'User-Agent: a"b\\\x7e',
            "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1",
        )
    with worker.connect() as sock:
        sock.sendall(b"\x1b[31m\r\n\r\n")
        assert Response(sock).status == 400
    wait_until(lambda: log.exists() and len(log.read_text().splitlines()) == 3, "three lines")
    first, second, refused = log.read_text().splitlines()
    assert first.startswith("192.0.2.1 - - [")
    assert first.endswith('"GET /hello HTTP/1.1" 200 23 "-" "a\\x22b\\x5c~"')
    assert second.endswith(first.partition("] ")[2])
    assert '"-" 400 ' in refused
    log.unlink()
    worker.configure({"routes": [HELLO], **options, "access_log_format": "json"})
    ask(worker, "/hello")
    wait_until(lambda: log.exists() and log.read_text(), "a line")
    record = json.loads(log.read_text())
    assert (record["client"], record["request"], record["status"]) == (
        *("127.0.0.1", "GET /hello HTTP/1.1", 200),
    )
    assert 0 < record["duration"] < PATIENCE_S
    log.unlink()
    worker.configure({"routes": [HELLO], **options, "access_log_format": "timed"})
    ask(worker, "/hello")
    wait_until(lambda: log.exists() and log.read_text(), "a line")
    line, _, duration_s = log.read_text().rpartition(" ")
    assert line.endswith('"-" "-"')
    assert 0 < float(duration_s) < PATIENCE_S


def test_cached_responses_are_logged_with_their_status_and_size(
    start: Start, tmp_path: Path
) -> None:
    page = tmp_path / "www" / "page"
    write(page)
    # A file that was written just now is not cached.
    wait_until(lambda: time.time_ns() - page.stat().st_ctime_ns > SETTLED_NS, "the file to be old")
    log = tmp_path / "log"
    worker = start({"path": "/", "directory": str(tmp_path / "www")}, access_log=str(log))
    for _ in range(2):
        ask(worker, "/page")
        ask(worker, "/page", method="HEAD")
        ask(worker, "/page", "If-None-Match: *")
    worker.await_counters(lambda c: c["cache_hits"] == 3)
    wait_until(lambda: log.exists() and len(log.read_text().splitlines()) == 6, "six lines")
    logged = [line.split('"')[2].split() for line in log.read_text().splitlines()]
    assert logged == [["200", "7"], ["200", "0"], ["304", "0"]] * 2


def test_lines_of_several_processes_on_one_pipe_are_not_mixed() -> None:
    reader, writer = os.pipe()
    command = [sys.executable, "-c", WRITER]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writer) for _ in range(3)]
    os.close(writer)
    for process in processes:  # from now on all write, more than the pipe holds
        assert process.stdout
        process.stdout.readline()
    with open(reader, "rb") as file:
        lines = file.read().splitlines()
    for process in processes:
        assert process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
    assert len(lines) == 2700
    assert {(line[:14], line[-1501:], len(line)) for line in lines} == {
        (b"192.0.2.1 - - ", b"x" * 1500 + b'"', len(lines[0]))
    }


def test_a_fifo_without_a_reader_blocks_nothing(start: Start, tmp_path: Path) -> None:
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    worker = start(HELLO, access_log=str(fifo))
    assert ask(worker, "/hello").status == 200
    worker.await_counters(lambda c: c["log_lines_lost"] == 1)
    with open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as reader:
        assert ask(worker, "/hello").status == 200
        wait_until(lambda: b'"GET /hello HTTP/1.1" 200 23' in (reader.read(4096) or b""), "a line")


def test_a_write_that_hangs_delays_no_response_and_no_end(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "STALLED_S", 0.5)  # the worker is forked
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with open(reader, "rb", buffering=0), open(fifo, "wb", buffering=0) as full:
        os.set_blocking(full.fileno(), False)
        while full.write(bytes(4096)):
            pass
        worker = start(HELLO, access_log=str(fifo), access_log_buffer=200)
        assert ask(worker, "/hello").status == 200
        worker.await_degraded("a write takes more than 0.5 s")
        assert worker.counters["log_lines_lost"] == 0
        for _ in range(3):
            assert ask(worker, "/hello").status == 200
        worker.await_counters(lambda c: c["log_lines_lost"] > 0)
        worker.drain()
        assert worker.await_exit().status == 0


def test_lines_wait_for_the_reader_of_a_pipe(start: Start, tmp_path: Path) -> None:
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    with open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as reader:
        worker = start(HELLO, access_log=str(fifo))
        padding = "User-Agent: " + "x" * 7000
        for _ in range(30):  # more than the pipe holds
            assert ask(worker, "/hello", padding).status == 200
        os.set_blocking(reader.fileno(), True)
        data = b""
        while data.count(b"\n") < 30:
            data += reader.read(65536)
    assert {len(line) for line in data.splitlines()} == {len(data) // 30 - 1}


def test_an_outage_is_reported_and_leaves_no_torn_line(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    worker = start(HELLO, access_log=str(log))
    assert ask(worker, "/hello").status == 200
    wait_until(lambda: log.exists() and log.read_bytes(), "a line")
    [line] = log.read_bytes().splitlines(keepends=True)
    _, hard = resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (len(line) + 7, hard))
    assert ask(worker, "/hello").status == 200
    worker.await_degraded(f"access log {log}: File too large")
    assert worker.counters["log_lines_lost"] == 1
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert ask(worker, "/hello").status == 200
    worker.await_degraded("")
    first, torn, last = log.read_bytes().splitlines(keepends=True)
    assert (first, torn[:-1], len(last)) == (line, line[:7], len(line))


def test_a_reload_keeps_the_log_and_its_count(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "none" / "log"
    worker = start(HELLO, access_log=str(log))
    for lost in (1, 2, 3):
        assert ask(worker, "/hello").status == 200
        worker.await_counters(lambda c, lost=lost: c["log_lines_lost"] == lost)  # type: ignore[misc]
        other = tmp_path / "none" / f"log{lost}" if lost == 2 else log
        worker.configure({"routes": [HELLO], "access_log": str(other)})


def test_a_directory_in_place_of_the_log_costs_no_descriptor(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path), 1000)
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        writer.write([b"line\n"])
    writer.close(PATIENCE_S)
    assert writer.lost == 3
    assert sorted(os.listdir("/proc/self/fd")) == before

"""Files that change, cannot be read or say what makes no sense, over HTTP."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from netd.listeners.http.connection.send_queue import SendQueue, TruncatedError
from netd.listeners.http.connection.transport import PlainTransport
from netd.listeners.http.protocol.response import FilePart
from tests.conftest import StartDaemon
from tests.listeners.http.http_client import Response, Start, ask, write


def test_a_file_that_is_leased_is_there_later(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "leased")
    worker = start({"path": "/", "directory": str(tmp_path)})
    heeded = signal.signal(signal.SIGIO, signal.SIG_IGN)  # the lease's holder is told
    with (tmp_path / "leased").open("r+") as held:
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        assert ask(worker, "/leased").status == 503
    signal.signal(signal.SIGIO, heeded)
    assert ask(worker, "/leased").status == 200


def test_a_file_that_cannot_be_read_is_our_fault(start: Start) -> None:
    broken = next(filter(_fails, Path("/sys/devices").rglob("autosuspend_delay_ms")), None)
    if broken is None:
        pytest.skip("this machine has no file that cannot be read")
    worker = start({"path": "/", "directory": str(broken.parent)})

    def descriptors() -> int:
        worker.await_counters(lambda c: c["connections"] == 0)
        return len(os.listdir(f"/proc/{worker.process.pid}/fd"))

    before = descriptors()
    assert ask(worker, f"/{broken.name}").status == 500
    assert descriptors() == before


def _fails(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError as error:
        return error.errno == errno.EIO
    return False


def test_a_locale_without_a_names_letters_has_no_such_file(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    write(tmp_path / "app.html", "app")
    daemon = start_daemon(
        f"""
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
[[listeners.web.routes]]
path = "/"
directory = "{tmp_path}"
[[listeners.web.routes]]
path = "/app"
directory = "{tmp_path}"
fallback = "app.html"
[[listeners.web.routes]]
path = "/old"
match = "prefix"
redirect = "/new"
""",
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    for target, expected in (("/", 404), ("/app/", 200), ("/app/", 200), ("/old/", 302)):
        with daemon.connect("web") as sock:
            sock.sendall(f"GET {target}%c3%bc HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert Response(sock).status == expected


def test_links_upwards_hold_while_files_are_renamed(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "file")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to("../file")
    worker = start({"path": "/", "directory": str(tmp_path)}, cache_size=0)
    renaming = "import os\nwhile 1: os.rename('a', 'b'); os.rename('b', 'a')"
    (tmp_path / "a").touch()
    with subprocess.Popen([sys.executable, "-c", renaming], cwd=tmp_path) as renamer:
        statuses = {ask(worker, "/in/link").status for _ in range(500)}
        renamer.kill()
    assert statuses == {200}


def test_a_file_that_cannot_be_read_is_told_from_a_lost_peer(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        output = SendQueue(PlainTransport(ours))
        output.append(FilePart(os.open(tmp_path, os.O_RDONLY), 0, 100_000))
        with pytest.raises(TruncatedError):
            output.send()
        output.close()


def test_an_error_page_that_is_no_file_any_more_costs_nothing(start: Start, tmp_path: Path) -> None:
    worker = start({"path": "/", "directory": str(tmp_path), "error_pages": {404: "404.html"}})
    descriptors = f"/proc/{worker.process.pid}/fd"
    page = tmp_path / "404.html"
    with worker.connect() as sock:

        def asked() -> int:
            sock.sendall(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"Not Found" in Response(sock).body
            return len(os.listdir(descriptors))

        before = asked()
        page.mkdir()
        assert asked() == before
        page.rmdir()
        os.mkfifo(page)
        with page.open("r+b", buffering=0):
            assert asked() == before


def test_who_stands_in_makes_room_for_what_comes(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "app.html", "app")
    write(tmp_path / "a" / "index.htm", "old")
    settled = time.time() + 0.5  # from then on answers may be kept
    files = {"directory": str(tmp_path), "index": ["index.html", "index.htm"]}
    worker = start({"path": "/", **files, "fallback": "app.html"})
    while time.time() < settled:
        ask(worker, "/none")
    for target, body in (("/new", b"app"), ("/a/", b"old"), ("/.new", b"app")):
        for _ in range(2):
            assert ask(worker, target).body == body
    assert worker.await_counters(lambda c: c["cache_hits"] >= 3)
    for name in ("new", "a/index.html", ".new"):
        write(tmp_path / name, "new")
    assert [ask(worker, each).body for each in ("/new", "/a/", "/.new")] == [b"new", b"new", b"app"]


@pytest.mark.parametrize("seconds", [0, 2**33, 2**40, 2**59])
def test_times_that_mean_nothing_are_not_told(start: Start, seconds: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:  # it keeps them all
        path = Path(directory, "file")
        path.write_text("content")
        os.utime(path, (seconds, seconds))
        worker = start({"path": "/", "directory": directory, "listing": True})
        answer = ask(worker, "/file")
        assert (answer.body, "Last-Modified" in answer.fields) == (b"content", False)
        assert b"./file" in ask(worker, "/").body

"""Which file a path names, and what is sent if there is none."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from pathlib import Path

import pytest

from netd.protocols.password import hash_password
from tests.conftest import StartDaemon
from tests.listeners.http.http_client import Response, Start, ask, write


def test_files_have_types_dates_tags_and_index(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "index.html", "<p>home")
    write(tmp_path / "a" / "app.mjs", "x")
    worker = start({"path": "/", "directory": str(tmp_path)})
    home = ask(worker, "/")
    assert (home.body, home.fields["Content-Type"]) == (b"<p>home", "text/html; charset=utf-8")
    assert home.fields["Last-Modified"].endswith(" GMT")
    assert ask(worker, "/a/app.mjs").fields["Content-Type"] == "text/javascript; charset=utf-8"
    moved = ask(worker, "/a?b=c")
    assert (moved.status, moved.fields["Location"]) == (301, "/a/?b=c")
    for missing in ("/a/", "/none", "/index.html/", "/a/app.mjs/x", "/" + "x" * 300):
        assert ask(worker, missing).status == 404, missing


def test_fallback_and_error_pages(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "app.html", "app")
    write(tmp_path / "404.html", "gone")
    write(tmp_path / ".secret", "no")
    directory = {"directory": str(tmp_path), "cache_control": "no-cache"}
    worker = start(
        {"path": "/", **directory, "fallback": "app.html"},
        {"path": "/e", **directory, "error_pages": {404: "404.html"}},
        {"path": "/dots", **directory, "dotfiles": True},
    )
    for target in ("/some/view", "/.secret", "/.git/config"):
        fallback = ask(worker, target)
        assert (fallback.status, fallback.body) == (200, b"app"), target
    page = ask(worker, "/e/none")
    assert (page.status, page.body, page.fields["Cache-Control"]) == (404, b"gone", "no-cache")
    assert ask(worker, "/dots/.secret").body == b"no"


def test_an_error_page_is_sent_with_the_refusals_of_its_route(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "login.html", "log in")
    write(tmp_path / "method.html", "read only")
    users = {"ann": hash_password("secret", bytes(16))}
    pages = {401: "login.html", 405: "method.html"}
    worker = start({"path": "/", "directory": str(tmp_path), "users": users, "error_pages": pages})
    refused = ask(worker, "/")
    assert (refused.status, refused.body) == (401, b"log in")
    assert refused.fields["WWW-Authenticate"].startswith("Basic ")
    wrong = ask(worker, "/", method="DELETE")
    assert (wrong.status, wrong.body) == (405, b"read only")


def test_a_route_can_have_its_own_types_and_validators(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "a" / "team.ICS")
    write(tmp_path / "b" / "team.ICS")
    os.utime(tmp_path / "a" / "team.ICS", (1000, 1000))
    os.utime(tmp_path / "b" / "team.ICS", (1000, 1000))
    types = {".ics": "text/calendar; charset=utf-8"}
    worker = start(
        *(
            {"path": f"/{key}/{copy}", "directory": f"{tmp_path}/{copy}", "etag": key}
            | {"media_types": types}
            for key in ("inode", "time")
            for copy in ("a", "b")
        )
    )
    fields = [ask(worker, f"/{path}/team.ICS").fields for path in ("inode/a", "inode/b")]
    assert {field["Content-Type"] for field in fields} == {types[".ics"]}
    assert fields[0]["ETag"] != fields[1]["ETag"]
    copies = [ask(worker, f"/{path}/team.ICS").fields["ETag"] for path in ("time/a", "time/b")]
    assert copies[0] == copies[1]


def test_a_removed_error_page_leaks_no_descriptor(start: Start, tmp_path: Path) -> None:
    worker = start({"path": "/", "directory": str(tmp_path), "error_pages": {404: "404.html"}})
    descriptors = f"/proc/{worker.process.pid}/fd"
    page = tmp_path / "404.html"
    with worker.connect() as sock:

        def open_descriptors() -> int:
            sock.sendall(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"Not Found" in Response(sock).body
            return len(os.listdir(descriptors))

        before = open_descriptors()
        page.mkdir()
        assert open_descriptors() == before
        page.rmdir()
        os.mkfifo(page)
        with page.open("r+b", buffering=0):
            assert open_descriptors() == before


def test_a_leased_file_is_a_503_until_the_lease_ends(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "leased")
    worker = start({"path": "/", "directory": str(tmp_path)})
    previous = signal.signal(signal.SIGIO, signal.SIG_IGN)  # sent to the holder of the lease
    with (tmp_path / "leased").open("r+") as held:
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        assert ask(worker, "/leased").status == 503
    signal.signal(signal.SIGIO, previous)
    assert ask(worker, "/leased").status == 200


def test_a_file_that_cannot_be_read_is_a_500(start: Start) -> None:
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


def test_a_name_that_the_locale_cannot_encode_is_a_404(
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

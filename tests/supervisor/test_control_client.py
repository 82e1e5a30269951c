"""The client's side of the control socket: which daemons it accepts, and its errors."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netd.config.paths import client_control_path
from netd.errors import BindError, ControlError
from netd.protocols.control import ControlCommand, Reply, format_reply
from netd.runtime import process
from netd.supervisor.control_client import send_request
from netd.supervisor.control_server import make_directory
from tests.support import PATIENCE_S

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@contextlib.contextmanager
def stranger(path: Path) -> Iterator[None]:
    """Another user's process that listens at a path and replies as a daemon does."""
    ready, theirs = socket.socketpair()

    def listen() -> None:
        os.setuid(NOBODY)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            theirs.send(b"!")
            while True:
                serve_one(server, {"state": "serving"})

    child = process.spawn(listen, keep=[theirs.fileno()])
    ready.settimeout(PATIENCE_S)
    assert ready.recv(1)
    yield
    child.kill(signal.SIGKILL)
    select.select([child.pidfd], [], [], PATIENCE_S)
    child.reap()
    ready.close()
    theirs.close()


def serve_one(server: socket.socket, body: dict[str, Any]) -> None:
    """Send one client a reply to any request."""
    client, _ = server.accept()
    with client, contextlib.suppress(OSError):  # a client that refuses has closed
        client.recv(100)
        client.sendall(format_reply(Reply(body)))


@needs_root
def test_a_stranger_in_a_directory_that_all_can_write_to_is_not_believed(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    path = tmp_path / "netd-1000" / "control.sock"
    path.parent.mkdir()
    os.chown(path.parent, NOBODY, NOBODY)
    for directory in tmp_path.parents:
        if not directory.stat().st_mode & stat.S_IXOTH:  # those of pytest are its user's alone
            directory.chmod(0o755)
    with stranger(path), pytest.raises(ControlError, match=f"{path}: its process belongs to user"):
        send_request(str(path), ControlCommand.STATUS, PATIENCE_S)


@needs_root
def test_the_daemon_s_own_user_is_believed_where_only_it_and_root_can_listen() -> None:
    with contextlib.ExitStack() as undo:
        directory = Path("/run") / f"netd-test-{os.getpid()}"
        directory.mkdir()
        undo.callback(directory.rmdir)
        os.chown(directory, NOBODY, NOBODY)
        path = directory / "control.sock"
        undo.callback(path.unlink)
        undo.enter_context(stranger(path))
        assert send_request(str(path), ControlCommand.STATUS, PATIENCE_S).body == {
            "state": "serving"
        }


def test_a_daemon_that_never_completes_its_reply_is_given_up(tmp_path: Path) -> None:
    path = str(tmp_path / "control")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        with pytest.raises(ControlError, match="gave no reply within 0"):
            send_request(path, ControlCommand.STATUS, 0.05)


def test_the_directory_of_the_daemon_is_its_own(tmp_path: Path) -> None:
    make_directory(str(tmp_path / "new" / "netd" / "control.sock"))
    make_directory(str(tmp_path / "new" / "netd" / "control.sock"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere)
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o1777)
    for name, fault in (
        ("link", "is not a directory"),
        ("file", "is not a directory"),
        ("open", "every user can write to its directory"),
    ):
        with pytest.raises(BindError, match=fault):
            make_directory(str(tmp_path / name / "control.sock"))


@needs_root
def test_the_directory_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "netd" / "control.sock"
    own.parent.mkdir()
    own.touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("netd.config.paths.SYSTEM_CONTROL", str(tmp_path))
    assert client_control_path("/none") == str(own)
    os.chown(own.parent, NOBODY, NOBODY)
    assert client_control_path("/none") == str(tmp_path)
    with pytest.raises(BindError, match="belongs to another user"):
        make_directory(str(own))


def test_control_characters_of_a_reply_are_escaped(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x9b2J\u202e"
    worker = {"pid": 1, "state": evil, "uptime_s": 1, "restarts": 0, "last_error": evil}
    listener = {
        "name": evil,
        "kind": "echo",
        "state": "serving",
        "counters": {},
        "addresses": [evil],
        "configured": [],
        "workers": [worker],
        "reason": evil,
    }
    body = {
        "version": evil,
        "pid": 1,
        "uptime_s": 1,
        "state": "serving",
        "last_reload": {"at": 0, "ok": False, "detail": evil},
        "listeners": [listener],
        "detail": evil,
    }
    config = tmp_path / "netd.toml"
    config.write_text(f'[netd]\ncontrol = "{tmp_path}/c"\n')
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/c")
        server.listen()
        for command in (["status"], ["status", "--json"], ["reload"]):
            thread = threading.Thread(target=serve_one, args=(server, body))
            thread.start()
            run = subprocess.run(
                [sys.executable, "-m", "netd", *command, "--config", str(config)],
                capture_output=True,
                check=False,
                timeout=PATIENCE_S,
            )
            thread.join(PATIENCE_S)
            output = (run.stdout + run.stderr).decode()
            assert "owned" in output
            assert all(character.isprintable() or character == "\n" for character in output)
            if "--json" in command:
                assert json.loads(output) == body


def test_a_key_with_control_characters_cannot_forge_a_line(tmp_path: Path) -> None:
    config = tmp_path / "netd.toml"
    config.write_text('"a\\nnetd.toml: fine\\u001b[2J\\u2028x" = 1\n[netd]\n')
    command = [sys.executable, "-m", "netd", "check", "--config", str(config)]
    run = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE_S)
    assert b"\x1b" not in run.stderr
    assert len(run.stderr.decode().splitlines()) == 1


@pytest.mark.parametrize("command", ["status", "probe", "check", "reload"])
def test_a_reply_of_an_unexpected_form_is_no_traceback(tmp_path: Path, command: str) -> None:
    config, path = tmp_path / "netd.toml", str(tmp_path / "control")
    config.write_text(f'[netd]\ncontrol = "{path}"\n[listeners.e]\nkind = "echo"\n')
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        thread = threading.Thread(target=serve_one, args=(server, {"listeners": [{}]}))
        thread.start()
        done = subprocess.run(
            [sys.executable, "-m", "netd", command, "--config", str(config)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        thread.join()
    assert "Traceback" not in done.stderr
    if command in ("status", "probe"):
        assert done.returncode == os.EX_UNAVAILABLE
        assert done.stderr.startswith(f"netd: netd at {path} replies in an unexpected form")

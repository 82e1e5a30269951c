"""The secret of the cloaks: configured, kept in a file, or made for a room."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from netd.listeners.chat.cloak_key import read_or_make
from tests.listeners.chat.test_handover import Start as StartChat
from tests.listeners.chat.test_handover import start as start_chat
from tests.listeners.chat.test_proxy_protocol import line
from tests.listeners.chat.test_service import Connect, Start, connect, start

__all__ = ["connect", "start", "start_chat"]  # fixtures

FROM_LOOPBACK = {"proxy_protocol_from": "127.0.0.0/8"}


def shown_host(worker: object, connect: Connect) -> str:
    client = connect(worker)
    client.sock.sendall(line("192.0.2.1"))
    client.register("alice")
    client.send("USERHOST alice")
    host = client.expect(" 302 ").rpartition("@")[2]
    client.send("QUIT")
    client.expect("ERROR")
    return host


def test_a_file_keeps_the_key(
    start: Start, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    first = shown_host(start(**FROM_LOOPBACK), connect)
    assert first.endswith(".ip")
    assert stat.S_IMODE(os.stat(tmp_path / "cloak.key").st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.glob("cloak*")) == ["cloak.key"]
    assert shown_host(start(**FROM_LOOPBACK), connect) == first
    worker = start(**FROM_LOOPBACK, cloak_key="another")
    assert shown_host(worker, connect) not in (first, "192.0.2.1")
    worker.configure({"server_name": "irc.test", **FROM_LOOPBACK, "cloak": False})
    assert shown_host(worker, connect) == "192.0.2.1"


def test_without_a_file_the_key_stays_with_the_room(start_chat: StartChat) -> None:
    chat = start_chat(**FROM_LOOPBACK)
    first = shown_host(chat, lambda chat: chat.connect())
    chat.hand_over()
    assert shown_host(chat, lambda chat: chat.connect()) == first


def test_a_file_that_cannot_be_used_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "missing"))
    assert read_or_make() == ""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    (tmp_path / "cloak.key").write_bytes(b"\xff")
    assert read_or_make() == ""
    assert "no such file or directory; cloaks change at a restart" in caplog.text
    assert "not a key; cloaks" in caplog.text

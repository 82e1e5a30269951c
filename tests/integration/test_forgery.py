"""No bytes from a client can split a line of the log or forge one."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import Daemon, read_all

CONFIG = """
[listeners.echo]
kind = "echo"
address = ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"]
tag = true
[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
flood_rate = 0
opers = [{ name = "root", password = "x" }]
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
access_log = "-"
access_log_format = "FORM"
forwarded_from = "127.0.0.0/8"
routes = [{ path = "/hello", text = "hello" }]
"""
FORGED = (
    b"x\r\n<0>FORGED\nPRIORITY=0\nLISTENER=FORGED\nMESSAGE\n\x06\0\0\0\0\0\0\0FORGED\n"
    b"\x1b[31m\0\x85"
)
INLINE = b'<0>FORGED\x1b]0;FORGED\x07\x08\x9b31m" 200 0 "FORGED\\\xe2\x80\xa8'
HEAD = "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
LAUNCH = """
import os, sys
from netd.cli import main
from netd.runtime.journal import JournalHandler
JournalHandler.__init__.__defaults__ = (os.environ["JOURNAL"],)
found = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
main()
"""
LINES = {
    "combined": r'\S+ - \S+ \[[^]]+\] "[^"]*" \d{3} \d+ "[^"]*" "[^"]*"',
    "json": r"\{.*\}",
}


class Underneath(Daemon):
    """A daemon whose standard error leads to a journal, which it finds at a path of ours."""

    def start(self) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "JOURNAL": str(self.directory / "journal")}
        command = [sys.executable, "-c", LAUNCH, "run", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ
            )
        return self.process


class Journal:
    """The journal's socket, and every record that came; read all the time, as systemd does."""

    def __init__(self, path: Path) -> None:
        self.records: list[bytes] = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._path = str(path)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while record := self._sock.recv(1 << 20):
            self.records.append(record)

    def close(self) -> None:
        """Take what is still there."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._path)
        self._reader.join()
        self._sock.close()


def attack(daemon: Daemon) -> int:
    """All that can be sent, in every place; how many answers HTTP gave."""
    with daemon.connect("echo") as client:
        client.sendall(FORGED)
        client.shutdown(socket.SHUT_WR)
        assert b"FORGED" in read_all(client)
    with daemon.connect("echo", 1) as client:
        client.send(FORGED)
        assert client.recv(1000) == FORGED
    attack_chat(daemon)
    return attack_http(daemon)


def attack_chat(daemon: Daemon) -> None:
    with daemon.connect("lounge") as client:
        client.sendall(b"NICK eve\r\nUSER %s 0 * :%s\r\n" % (INLINE[:9], INLINE))
        for line in (
            *(b"JOIN #%s", b"PRIVMSG #lounge :%s", b"TOPIC #lounge :%s", b"OPER root :%s"),
            *(b"OPER %s x", b"NICK %s", b"%s", b"AWAY :%s", b"SETNAME :%s", b"QUIT :%s"),
        ):
            client.sendall(line % INLINE + b"\r\n" + line % FORGED + b"\r\n")
        client.shutdown(socket.SHUT_WR)
        assert b"FORGED" in read_all(client)


def attack_http(daemon: Daemon) -> int:
    text = INLINE.replace(b"\x07", b"").replace(b"\x08", b"").replace(b"\x1b", b"")
    user = base64.b64encode(FORGED.replace(b"\x85", b"") + b":x")
    heads = [
        b"GET /hello?" + text.replace(b" ", b"%20") + HEAD.encode()[10:],
        b"GET /\x1b[31mFORGED HTTP/1.1\r\nHost: x\r\n",
        INLINE + b"\r\n" + FORGED,
        *(
            HEAD.encode() + name + b": " + value + b"\r\n"
            for name in (b"User-Agent", b"Referer", b"X-Forwarded-For", b"Authorization")
            for value in (text, INLINE, b"a\n<0>FORGED", b"a\r<0>FORGED", b"a\r\n <0>FORGED")
        ),
        HEAD.encode() + b"Authorization: Basic " + user + b"\r\n",
        b"GET /%0a%1b<0>FORGED HTTP/1.1\r\nHost: x\r\n",
        b"FORGED / HTTP/1.1\r\nHost: x\r\n",
        HEAD.encode() + b'X-Forwarded-For: fe80::1%" 200 FORGED\r\n',
        HEAD.encode() + b"User-Agent: " + b"\xff" * 5000 + b"<0>FORGED" * 2000 + b"\r\n",
        HEAD.encode() + b"Referer: " + b"<0>FORGED" * 800 + b"\r\n",
    ]
    for head in heads:
        with daemon.connect("web") as client:
            client.sendall(head + b"\r\n")
            client.shutdown(socket.SHUT_WR)
            assert read_all(client).startswith(b"HTTP/1.1 ")
    return len(heads)


def log_lines(daemon: Daemon) -> list[str]:
    assert daemon.stop() == 0
    text = daemon.log.read_bytes()
    assert text.endswith(b"\n")
    return text.decode("ascii").split("\n")[:-1]


def check_access(lines: list[str], answers: int, form: str) -> None:
    assert len(lines) == answers
    for line in lines:
        assert len(line) < 4096
        assert line.isprintable()
        assert re.fullmatch(LINES[form], line), line
        assert form != "json" or {*json.loads(line)} >= {"client", "request", "status"}
    clients = {json.loads(line)["client"] if form == "json" else line.split()[0] for line in lines}
    assert clients <= {"127.0.0.1", "fe80::1"}


@pytest.mark.parametrize("form", LINES)
def test_lines_for_a_person(tmp_path: Path, form: str) -> None:
    daemon = Daemon(tmp_path, CONFIG.replace("FORM", form))
    daemon.await_ready()
    answers = attack(daemon)
    lines = log_lines(daemon)
    ours = [line for line in lines if re.match(r"\d\d:\d\d:\d\d netd\[\d+\] ", line)]
    assert "FORGED" not in "".join(ours)
    check_access([line for line in lines if line not in ours], answers, form)


def test_lines_with_priorities(tmp_path: Path) -> None:
    daemon = Underneath(tmp_path, CONFIG.replace("FORM", "combined"))
    daemon.await_ready()
    answers = attack(daemon)
    lines = log_lines(daemon)
    ours = [line for line in lines if line.startswith("<")]
    assert all(re.match(r"<[346]>\S", line) for line in ours)
    assert "FORGED" not in "".join(ours)
    check_access([line for line in lines if line not in ours], answers, "combined")


def test_records_of_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    try:
        daemon = Underneath(tmp_path, CONFIG.replace("FORM", "combined"))
        daemon.await_ready()
        answers = attack(daemon)
        assert daemon.stop() == 0
    finally:
        journal.close()
    assert daemon.log.read_bytes() == b""
    records = [read_record(record) for record in journal.records]
    of_clients = [record["MESSAGE"] for record in records if "FORGED" in record["MESSAGE"]]
    of_web = [record for record in records if record.get("LISTENER") == "web"]
    assert len(of_clients) > 3
    for record in of_web:
        assert (record["PRIORITY"], record["SYSLOG_IDENTIFIER"]) == ("6", "netd")
    access = [record["MESSAGE"] for record in of_web if "127.0.0.1 - " in record["MESSAGE"]]
    access += [record["MESSAGE"] for record in of_web if record["MESSAGE"].startswith("fe80::1 ")]
    assert set(of_clients) <= set(access)
    check_access(access, answers, "combined")


def read_record(record: bytes) -> dict[str, str]:
    """Read a record with one field on each line; no field has a value of several lines."""
    fields = [line.partition(b"=")[::2] for line in record.splitlines()]
    assert {name for name, _ in fields} <= {
        b"MESSAGE",
        b"PRIORITY",
        b"SYSLOG_IDENTIFIER",
        b"LISTENER",
    }
    assert len({name for name, _ in fields}) == len(fields)
    return {name.decode(): value.decode() for name, value in fields}

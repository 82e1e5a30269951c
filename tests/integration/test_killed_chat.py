"""A chat worker that is killed comes back with its room, and members return to their places."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from tests.conftest import StartDaemon
from tests.support import Daemon, memory_files, wait_until

CHAT = '[listeners.lounge]\nkind = "chat"\naddress = "unix://{path}"\n'
CAPS = "server-time message-tags batch echo-message"


class Member:
    """A client on a Unix socket, which identifies the local user."""

    def __init__(self, daemon: Daemon, nick: str, address: int = 0) -> None:
        self.sock = daemon.connect("lounge", address)
        self._file = self.sock.makefile("r", newline="\r\n")
        self.send(f"CAP REQ :{CAPS}", f"NICK {nick}", f"USER {nick} 0 * :{nick}", "CAP END")
        self.read_until(" 001 ")

    def send(self, *lines: str) -> None:
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def read_until(self, text: str) -> list[str]:
        """All lines up to the first one with this text."""
        found = []
        for line in self._file:
            found.append(line)
            if text in line:
                return found
        raise AssertionError(f"the connection ended before {text!r}: {found}")

    def sync(self) -> list[str]:
        """All lines that have come so far."""
        self.send("PING :sync")
        return self.read_until("PONG")

    def await_end(self) -> None:
        assert all("ERROR" not in line for line in self._file)
        self.close()

    def close(self) -> None:
        self._file.close()
        self.sock.close()


def kill_worker(daemon: Daemon, members: list[Member]) -> None:
    [pid] = daemon.pids("lounge")
    os.kill(pid, signal.SIGKILL)
    for member in members:
        member.await_end()
    wait_until(lambda: daemon.serves() and daemon.pids("lounge") != [pid], "the next worker")


def test_members_return_to_their_places_without_a_word(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(CHAT.format(path=tmp_path / "lounge.sock"))
    alice, bob = Member(daemon, "alice"), Member(daemon, "bob")
    alice.send("JOIN #x", "MODE #x +i", "TOPIC #x :the plan", "INVITE bob #x")
    bob.read_until("INVITE")
    bob.send("JOIN #x")
    alice.read_until("bob!")
    alice.send("MODE #x +v bob")
    bob.read_until("MODE #x +v")
    await_snapshot(daemon, alice)
    kill_worker(daemon, [alice, bob])
    alice = Member(daemon, "alice")
    back = alice.read_until(" 366 ")
    assert any("the plan" in line for line in back)
    assert any(" 353 " in line and "@alice +bob" in line for line in back)
    alice.send("PRIVMSG #x :while bob was away")
    alice.read_until("while bob")
    bob = Member(daemon, "bob")
    assert sum("while bob was away" in line for line in bob.sync()) == 1
    bob.send("PRIVMSG #x :back")
    seen = alice.read_until(":back")
    assert not any(word in line for line in seen for word in ("JOIN", "QUIT", "MODE", "NICK"))
    alice.close()
    bob.close()


def test_a_stranger_does_not_get_the_place_of_a_member(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    config = CHAT.format(path=tmp_path / "lounge.sock").replace(
        'address = "', 'address = ["tcp://127.0.0.1:0", "'
    )
    daemon = start_daemon(config.rstrip() + "]\n")
    [tcp, _] = daemon.listener("lounge")["addresses"]
    alice = Member(daemon, "alice", 1)
    await_snapshot(daemon, alice)
    kill_worker(daemon, [alice])
    port = int(tcp.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"NICK alice\r\nUSER a 0 * :a\r\n")
        assert b" 433 " in stranger.recv(4096)


def await_snapshot(daemon: Daemon, member: Member) -> None:
    """Wait until the supervisor has a snapshot with all that members have done before."""
    supervisor = daemon.status()["pid"]
    for reason in ("first", "second"):  # the first one can have begun before the last change
        before = memory_files(supervisor)
        member.send(f"AWAY :{reason}")
        wait_until(lambda: memory_files(supervisor) - before, "a snapshot")  # noqa: B023 (now)

"""A whole daemon with a chat listener and an HTTP listener whose route leads to it."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import StartDaemon, StartManaged
from tests.listeners.chat.room.room_under_test import sasl_plain
from tests.listeners.chat.test_service import Irc
from tests.listeners.chat.web_irc import WebIrc
from tests.protocols.websocket_client import handshake
from tests.support import (
    PATIENCE_S,
    ConfiguredDaemon,
    make_certificate,
    open_files,
    stop_process,
    wait_until,
)

CONFIG = """
[netd]
heartbeat_timeout = "5m"

[listeners.lounge]
kind = "chat"
address = "tcp://127.0.0.1:0"
server_name = "irc.test"
poller = "epoll"
replay_lines = 0
return_timeout = "5m"

[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
routes = [{ path = "/chat", chat = "lounge" }]
"""


class Users:
    """The clients of a daemon."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def knock(self, daemon: ConfiguredDaemon, tls: ssl.SSLContext | None = None) -> WebIrc:
        """A client that has sent its handshake."""
        sock = daemon.connect("web")
        if tls is not None:
            sock = tls.wrap_socket(sock)
        client = WebIrc(sock)
        self._stack.callback(client.close)
        sock.sendall(handshake())
        return client

    def web(self, daemon: ConfiguredDaemon, nick: str, tls: ssl.SSLContext | None = None) -> WebIrc:
        return self.knock(daemon, tls).shake_hands().register(nick).join()

    def plain(self, daemon: ConfiguredDaemon, nick: str) -> Irc:
        client = Irc(daemon.connect("lounge"))
        self._stack.callback(client.close)
        return client.register(nick).join()


@pytest.fixture
def users() -> Iterator[Users]:
    with ExitStack() as stack:
        yield Users(stack)


def talk(*members: Irc) -> None:
    """Let each member say something that all others get."""
    for number, member in enumerate(members):
        member.send(f"PRIVMSG #lounge :line {number}")
        for other in members:
            if other is not member:
                assert other.expect("PRIVMSG").endswith(f":line {number}")


def test_members_talk_through_reloads(start_daemon: StartDaemon, users: Users) -> None:
    daemon = start_daemon(CONFIG)
    members = users.web(daemon, "anna"), users.plain(daemon, "bert"), users.web(daemon, "carl")
    talk(*members)
    for old, new in (
        ('path = "/chat"', 'path = "/"'),
        ('poller = "epoll"', 'poller = "poll"'),
        ('kind = "http"', 'kind = "http"\nworkers = 2'),
    ):
        daemon.write(CONFIG.replace(old, new))
        assert not daemon.reload().error
        talk(*members)
    daemon.write(CONFIG)
    assert not daemon.reload().error
    talk(*members, users.web(daemon, "dora"))


def test_a_route_and_its_listener_come_and_go(start_daemon: StartDaemon, users: Users) -> None:
    chat = CONFIG[CONFIG.index("[listeners.lounge]") : CONFIG.index("[listeners.web]")]
    without = CONFIG.replace(chat, "").replace('chat = "lounge"', 'text = "no chat"')
    daemon = start_daemon(without)
    for _ in range(2):
        daemon.write(CONFIG)
        assert not daemon.reload().error
        talk(users.web(daemon, "anna"), users.plain(daemon, "bert"))
        daemon.write(without)
        assert not daemon.reload().error
    daemon.write(CONFIG.replace(chat, ""))
    assert "there is no listener 'lounge'" in daemon.reload().error


def test_a_killed_chat_worker_is_awaited(start_daemon: StartDaemon, users: Users) -> None:
    daemon = start_daemon(CONFIG)
    [pid] = daemon.pids("lounge")
    stop_process(pid)
    waiting = [users.knock(daemon) for _ in range(20)]
    wait_until(
        lambda: daemon.listener("web")["counters"]["handoffs"] == len(waiting), "the hand-offs"
    )
    os.kill(pid, signal.SIGKILL)
    for number, client in enumerate(waiting):
        client.shake_hands().register(f"w{number}")
    talk(users.web(daemon, "anna"), users.plain(daemon, "bert"))


def test_members_notice_no_restart(start_managed: StartManaged, users: Users) -> None:
    daemon = start_managed(CONFIG)
    members = users.web(daemon, "anna"), users.plain(daemon, "bert"), users.web(daemon, "carl")
    for _ in range(3):
        daemon.systemd.restart()
        talk(*members)
    talk(*members, users.web(daemon, "dora"))
    assert sorted(name for name in daemon.systemd.stored_names() if "handoff" in name) == [
        "handoff.lounge.in",
        "handoff.lounge.out",
    ]


def test_a_connection_waits_in_the_queue_over_a_restart(
    start_managed: StartManaged, users: Users
) -> None:
    daemon = start_managed(CONFIG)
    [pid] = daemon.pids("lounge")
    stop_process(pid)
    waiting = users.knock(daemon)
    wait_until(lambda: daemon.listener("web")["counters"]["handoffs"] == 1, "the hand-off")
    daemon.systemd.restart()
    waiting.shake_hands().register("patient").join()
    talk(waiting, users.plain(daemon, "bert"))


def test_members_notice_no_upgrade(start_managed: StartManaged, users: Users) -> None:
    daemon = start_managed(CONFIG)
    members = users.web(daemon, "anna"), users.plain(daemon, "bert")
    [before] = daemon.pids("lounge")
    assert daemon.netd("upgrade").returncode == 0
    wait_until(lambda: daemon.status()["last_reload"], "the reload that follows")
    assert daemon.pids("lounge") != [before]
    talk(*members, users.web(daemon, "dora"))


def test_members_under_tls_keep_their_places(
    start_managed: StartManaged, users: Users, tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path, "web")
    names = ", ".join(f"{name} = '{path}'" for name, path in certificate.items())
    account = "accounts = [{ name = 'anna', password = 'sesame' }]"
    config = CONFIG.replace('kind = "http"', f'kind = "http"\ntls = {{ {names} }}')
    config = config.replace('kind = "chat"', f'kind = "chat"\n{account}')
    daemon = start_managed(config)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def secure() -> WebIrc:
        client = users.knock(daemon, context).shake_hands()
        client.send("CAP REQ :sasl", "NICK anna", "USER a 0 * :a", "AUTHENTICATE PLAIN")
        client.send(f"AUTHENTICATE {sasl_plain('anna', 'sesame')}", "CAP END")
        client.expect(" 001 ")
        return client

    anna, bert = secure().join(), users.plain(daemon, "bert")
    talk(anna, bert)
    anna.send("WHOIS anna")
    anna.expect(" 671 ")
    daemon.write(config.replace("5m", "6m"))
    assert not daemon.reload().error
    talk(anna, bert)
    for _ in range(2):
        daemon.systemd.restart()
        with pytest.raises((EOFError, OSError)):
            anna.expect("no such line")
        anna = secure()
        anna.expect(" JOIN #lounge")
        bert.sync()
        talk(anna, bert)


def test_a_stop_says_goodbye(start_daemon: StartDaemon, users: Users) -> None:
    daemon = start_daemon(CONFIG)
    anna = users.web(daemon, "anna")
    daemon.process.send_signal(signal.SIGTERM)
    assert anna.await_close()[0] == 1001
    daemon.process.wait(PATIENCE_S)


def count_sockets(pid: int) -> int:
    return sum(name.startswith("socket:") for name in open_files(pid))


def test_no_socket_is_left_open(start_daemon: StartDaemon, users: Users) -> None:
    daemon = start_daemon(CONFIG)
    talk(users.web(daemon, "anna"), users.plain(daemon, "bert"))
    before = count_sockets(daemon.process.pid)
    for lines in range(4):
        daemon.write(CONFIG.replace("return_timeout", f"history_lines = {lines}\nreturn_timeout"))
        assert not daemon.reload().error
    wait_until(lambda: count_sockets(daemon.process.pid) <= before, "the sockets to be closed")


def test_an_http_client_of_an_unknown_host_is_refused(
    start_daemon: StartDaemon, users: Users
) -> None:
    daemon = start_daemon(CONFIG)
    with daemon.connect("web") as sock:
        sock.sendall(handshake("Origin: http://evil.example"))
        assert sock.recv(100).startswith(b"HTTP/1.1 403 ")
    reason = "request refused: 403 to 127.0.0.1: a page of http://evil.example is not of the host "
    wait_until(lambda: reason in daemon.log.read_text(), "the reason")
    users.web(daemon, "anna")

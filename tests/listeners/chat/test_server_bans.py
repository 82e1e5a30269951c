"""Operators bar clients: at once, when they connect, and after a handover."""

from __future__ import annotations

import ssl
from pathlib import Path

from tests.listeners.chat.test_handover import Start, start
from tests.listeners.chat.test_proxy_protocol import line
from tests.listeners.chat.test_service import Irc
from tests.support import PATIENCE_S, make_certificate, read_all, wait_until

__all__ = ["start"]  # a fixture

OPTIONS = {
    "proxy_protocol_from": "127.0.0.0/8",
    "proxy_protocol": "optional",
    "opers": [{"name": "root", "password": "toor"}],
}


def operator(chat: object) -> Irc:
    root: Irc = chat.connect().register("root")  # type: ignore[attr-defined]
    root.send("OPER root toor")
    root.expect(" 381 ")
    return root


def test_a_network_is_barred_before_the_welcome(start: Start) -> None:
    chat = start(**OPTIONS)
    root = operator(chat)
    bob = chat.connect()
    bob.sock.sendall(line("192.0.2.7"))
    bob.register("bob")
    root.send("KLINE 1h 192.0.2.0/24 :spam")
    bob.expect("ERROR :Closing link: ")
    for _ in range(2):
        with chat.worker.connect() as sock:
            sock.sendall(line("192.0.2.8") + b"NICK eve\r\nUSER eve 0 * :eve\r\n")
            received = read_all(sock)
            assert received.startswith(
                b":irc.test 465 * :You are banned from this server: spam\r\n"
            )
            assert b" 001 " not in received
        chat.worker.await_counters(lambda seen: seen["refused_banned"] == 1)
        chat.hand_over()
    chat.worker.await_counters(lambda seen: seen["server_bans"] == 1)
    root.send("UNKLINE 192.0.2.0/24")
    root.expect("no longer banned")
    with chat.worker.connect() as sock:
        sock.sendall(line("192.0.2.8") + b"NICK eve\r\nUSER eve 0 * :eve\r\nQUIT\r\n")
        assert b" 001 eve " in read_all(sock)


def test_under_tls_the_reason_arrives(start: Start, tmp_path: Path) -> None:
    chat = start(
        "tcp://127.0.0.1:0", **OPTIONS, tls=make_certificate(tmp_path, "one.test") | {"ports": [1]}
    )
    root = operator(chat)
    root.send("KLINE 192.0.2.8 :spam")
    root.expect("is banned for ever")
    chat.options["tls"].pop("ports")
    chat.worker.configure(chat.options)
    context = ssl.create_default_context(cafile=str(tmp_path / "one.test.pem"))
    with chat.worker.connect() as sock:
        sock.sendall(line("192.0.2.8"))
        with context.wrap_socket(sock, server_hostname="one.test") as secure:
            secure.sendall(b"NICK eve\r\nUSER eve 0 * :eve\r\n")
            assert b" 465 eve :You are banned from this server: spam\r\n" in read_all(secure)


def test_bans_survive_a_stop(start: Start, tmp_path: Path) -> None:
    options = {**OPTIONS, "history_file": str(tmp_path / "chat.db")}
    chat = start(**options)
    root = operator(chat)
    root.send("KLINE 192.0.2.1 :first", "KLINE 1h ~spam*@* :second", "KLINE 1s 192.0.2.9 :short")
    root.send("KLINE 192.0.2.3 :gone", "UNKLINE 192.0.2.3", "KLINE 192.0.2.1 :again")
    root.sync()
    chat.worker.drain(PATIENCE_S, stopping=True)
    chat.worker.await_exit()
    later = operator(start(**options))
    wait_until(lambda: len(bans(later)) == 2, "the end of the short ban")
    assert [ban.split(" :")[1].split(" (")[0] for ban in bans(later)] == ["again", "second"]


def bans(root: Irc) -> list[str]:
    root.send("STATS k")
    return [line for line in root.sync() if " 216 " in line]

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.config.address import Address
from netd.config.schema import read_options
from netd.listeners.chat import KIND
from netd.listeners.chat.options import ChatOptions, ChatTlsOptions
from netd.protocols.link import Failed
from tests.listeners.chat.test_service import Irc
from tests.support import PATIENCE_S, WorkerUnderTest, make_certificate, wait_until

ADDRESSES = ("tcp://127.0.0.1:0",)


def options(tls: dict[str, str]) -> dict[str, object]:
    return {
        "server_name": "irc.test",
        "flood_rate": 0,
        "tls": {**tls, "sts_duration": "1d"},
    }


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[WorkerUnderTest]:
    started = WorkerUnderTest(KIND, options(make_certificate(tmp_path, "one.test")), ADDRESSES)
    yield started
    started.close()


def secure(worker: WorkerUnderTest, directory: Path, name: str) -> Irc:
    context = ssl.create_default_context(cafile=str(directory / f"{name}.pem"))
    return Irc(context.wrap_socket(worker.connect(), server_hostname=name))


def test_members_talk_under_tls(worker: WorkerUnderTest, tmp_path: Path) -> None:
    alice = secure(worker, tmp_path, "one.test")
    alice.send("CAP LS 302")
    assert "sts=duration=86400" in alice.expect("CAP * LS :")
    alice.send("CAP END")
    alice.register("alice").join()
    bob = secure(worker, tmp_path, "one.test").register("bob").join()
    for number in range(50):
        bob.send(f"PRIVMSG #lounge :{number} {'x' * 400}")
    alice.expect(":49 x")
    alice.send("WHOIS bob")
    alice.expect(" 671 ")
    bob.send("QUIT")
    bob.expect("ERROR")
    alice.expect("QUIT")
    for client in (alice, bob):
        client.close()


def test_a_reload_reads_the_certificate_again(worker: WorkerUnderTest, tmp_path: Path) -> None:
    before = secure(worker, tmp_path, "one.test").register("before")
    worker.configure(options(make_certificate(tmp_path, "two.test")))
    after = secure(worker, tmp_path, "two.test").register("after")
    after.send("PRIVMSG before :hello")
    before.expect(":hello")
    (tmp_path / "broken.pem").write_text("broken")
    answer = worker.ask_configure(options({"certificate": str(tmp_path / "broken.pem")}))
    assert isinstance(answer, Failed)
    after.sync()
    for client in (before, after):
        client.close()


def test_a_renewed_certificate_needs_no_reload(worker: WorkerUnderTest, tmp_path: Path) -> None:
    make_certificate(tmp_path, "two.test")
    for part in ("pem", "key"):
        (tmp_path / f"two.test.{part}").replace(tmp_path / f"one.test.{part}")

    def serves_the_new() -> bool:
        context = ssl.create_default_context(cafile=str(tmp_path / "one.test.pem"))
        with contextlib.suppress(ssl.SSLCertVerificationError):
            context.wrap_socket(worker.connect(), server_hostname="two.test").close()
            return True
        return False

    wait_until(serves_the_new, "the new certificate")


def test_plain_irc_is_refused(worker: WorkerUnderTest) -> None:
    with worker.connect() as sock:
        sock.sendall(b"NICK bob\r\nUSER bob 0 * :bob\r\n")
        assert b"001" not in sock.recv(100)


@pytest.mark.parametrize("is_clean", [True, False])
def test_a_client_that_breaks_off_harms_no_other(
    worker: WorkerUnderTest, tmp_path: Path, *, is_clean: bool
) -> None:
    client = secure(worker, tmp_path, "one.test")
    client.send("CAP REQ echo-message", "CAP END")
    client.register("alice").join("#own")
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # all of it in one turn
    client.send("PRIVMSG #own :hello")
    if not is_clean:
        socket.socket.sendall(client.sock, b"\x17\x03\x03\x00\x20" + 32 * b"?")  # not a TLS record
    with contextlib.suppress(OSError):
        client.sock.unwrap()  # type: ignore[attr-defined]  # it is an SSLSocket
    client.close()
    secure(worker, tmp_path, "one.test").register("bob").close()


def test_the_hint_has_the_tls_option_where_the_listener_speaks_tls() -> None:
    addresses = tuple(map(Address.parse, ("tcp://[::]:6667", "tcp://[::]:6697", "unix:///s")))
    tls = ChatTlsOptions(certificate="x", ports=(6697,))
    some = ChatOptions(address=addresses, tls=tls)
    hints = [KIND.hint(address, some) for address in addresses]
    assert [hint.endswith(" --tls") for hint in hints] == [False, True, False]
    every = ChatOptions(address=addresses, tls=ChatTlsOptions(certificate="x"))
    hints = [KIND.hint(address, every) for address in addresses]
    assert [hint.endswith(" --tls") for hint in hints] == [True, True, False]


def test_the_probe_speaks_tls(worker: WorkerUnderTest) -> None:
    reply = KIND.probe("lounge", worker.address(), PATIENCE_S)
    assert reply.endswith("replied to its PING, under TLS")


def test_a_port_that_is_not_listed_speaks_plain_irc(
    worker: WorkerUnderTest, tmp_path: Path
) -> None:
    tls = {"certificate": str(tmp_path / "one.test.pem"), "key": str(tmp_path / "one.test.key")}
    worker.configure({"server_name": "irc.test", "tls": {**tls, "ports": [6697]}})
    plain = Irc(worker.connect()).register("plain")
    plain.close()


def test_the_check_names_the_keys_with_faults(tmp_path: Path) -> None:
    options_ = read_options(
        KIND.options,
        {
            "kind": "chat",
            "address": [Address.parse(ADDRESSES[0])],
            "password": "$scrypt$nonsense",
            "tls": {"certificate": str(tmp_path / "missing.pem")},
        },
    )
    keys = [problem.key for problem in KIND.check(options_)]
    assert keys == ["tls.certificate", "password"]


def test_an_encrypted_key_is_refused_without_a_prompt(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path, "one.test")
    key, locked = tls["key"], str(tmp_path / "locked.key")
    hide = ("openssl", "pkey", "-aes256", "-passout", "pass:sesame", "-in", key, "-out", locked)
    subprocess.run(hide, check=True)
    [problem] = KIND.check(
        read_options(
            KIND.options,
            {"kind": "chat", "address": ADDRESSES, "tls": {**tls, "key": locked}},
        )
    )
    assert problem.key == "tls.key"
    assert "is encrypted" in problem.message


def test_a_client_certificate_logs_in(tmp_path: Path) -> None:
    ours, bots = make_certificate(tmp_path, "one.test"), make_certificate(tmp_path, "bot")
    der = ssl.PEM_cert_to_DER_cert(Path(bots["certificate"]).read_text())
    accounts = [{"name": "bot", "fingerprints": hashlib.sha256(der).hexdigest().upper()}]
    tls = {**ours, "client_ca": bots["certificate"]}
    worker = WorkerUnderTest(
        KIND, {"server_name": "irc.test", "accounts": accounts, "tls": tls}, ADDRESSES
    )
    with contextlib.closing(worker):
        context = ssl.create_default_context(cafile=ours["certificate"])
        without = Irc(context.wrap_socket(worker.connect(), server_hostname="one.test"))
        without.send("CAP LS 302")
        assert "sasl" not in without.expect("standard-replies")
        without.close()
        context.load_cert_chain(bots["certificate"], bots["key"])
        client = Irc(context.wrap_socket(worker.connect(), server_hostname="one.test"))
        client.send("CAP REQ sasl", "AUTHENTICATE EXTERNAL", "AUTHENTICATE +")
        assert client.expect(" 900 ").endswith("logged in as bot")
        client.close()
        context.load_cert_chain(ours["certificate"], ours["key"])  # not in client_ca
        stranger = context.wrap_socket(worker.connect(), server_hostname="one.test")
        with stranger, pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
            stranger.recv(100)


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_the_check_reads_the_certificates_of_clients(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "clients.pem"
    if text is not None:
        path.write_text(text)
    tls = {**make_certificate(tmp_path, "one.test"), "client_ca": str(path)}
    [problem] = KIND.check(
        read_options(KIND.options, {"kind": "chat", "address": ADDRESSES, "tls": tls})
    )
    assert problem.key == "tls.client_ca"

from __future__ import annotations

import contextlib
import errno
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netd.config.model import ListenerOptions
from netd.config.schema import read_options
from netd.errors import BindError
from netd.listeners.echo.options import EchoOptions
from netd.supervisor.passed_sockets import STORED
from netd.supervisor.socket_table import SocketTable
from tests.support import find_free_port


def options(*addresses: str, **table: Any) -> ListenerOptions:
    return read_options(EchoOptions, {"address": list(addresses), **table})


@pytest.fixture
def table() -> Iterator[SocketTable]:
    table = SocketTable()
    yield table
    table.keep_only({})


def port_of(table: SocketTable, name: str, listener: ListenerOptions) -> int:
    return int(table.bound_names(name, listener)[0].rpartition(":")[2])


def test_an_open_address_is_not_opened_again(table: SocketTable) -> None:
    echo = options("tcp://127.0.0.1:0")
    table.open({"echo": echo})
    before = table.of("echo", echo)
    table.open({"echo": echo})
    assert table.of("echo", echo) == before


def test_with_port_0_each_listener_has_its_own_port(table: SocketTable) -> None:
    echo = options("tcp://127.0.0.1:0")
    table.open({"a": echo})
    table.open({"b": echo})
    assert port_of(table, "a", echo) != port_of(table, "b", echo)


def test_a_listener_takes_over_the_socket_of_another(table: SocketTable) -> None:
    fixed = options(f"tcp://127.0.0.1:{find_free_port()}")
    table.open({"a": fixed})
    [(_, sock)] = table.of("a", fixed)
    table.open({"b": fixed})
    table.keep_only({"b": fixed})
    assert [found for _, found in table.of("b", fixed)] == [sock]
    assert sock.fileno() >= 0


def test_unnamed_sockets_are_closed_with_their_files(table: SocketTable, tmp_path: Path) -> None:
    echo = options("tcp://127.0.0.1:0", f"unix://{tmp_path}/echo")
    table.open({"echo": echo})
    sockets = [sock for _, sock in table.of("echo", echo)]
    table.keep_only({})
    assert [sock.fileno() for sock in sockets] == [-1, -1]
    assert not (tmp_path / "echo").exists()


def test_a_file_that_is_not_ours_any_more_stays(table: SocketTable, tmp_path: Path) -> None:
    echo = options(f"unix://{tmp_path}/echo")
    table.open({"echo": echo})
    (tmp_path / "echo").unlink()
    (tmp_path / "echo").write_text("another's")
    table.keep_only({})
    assert (tmp_path / "echo").read_text() == "another's"


def test_the_mode_of_a_socket_s_file_changes_with_the_options(
    table: SocketTable, tmp_path: Path
) -> None:
    echo = options(f"unix://{tmp_path}/echo", socket_mode="0600")
    table.open({"echo": echo})
    assert os.stat(tmp_path / "echo").st_mode & 0o777 == 0o600
    table.tune("echo", options(f"unix://{tmp_path}/echo", socket_mode="0666"))
    assert os.stat(tmp_path / "echo").st_mode & 0o777 == 0o666


def test_a_directory_that_has_become_a_file_keeps_nothing_from_closing(
    table: SocketTable, tmp_path: Path
) -> None:
    directory = tmp_path / "sockets"
    directory.mkdir()
    echo = options(f"unix://{directory}/echo", "tcp://127.0.0.1:0")
    table.open({"echo": echo})
    sockets = [sock for _, sock in table.of("echo", echo)]
    (directory / "echo").unlink()
    directory.rmdir()
    directory.write_text("")
    table.tune("echo", echo)
    table.keep_only({})
    assert [sock.fileno() for sock in sockets] == [-1, -1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_left_with_a_warning(
    table: SocketTable, caplog: pytest.LogCaptureFixture
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        echo = options(f"unix://{directory}/echo", socket_mode="0600")
        table.open({"echo": echo})
        with as_user(54321):
            table.tune("echo", options(f"unix://{directory}/echo", socket_mode="0666"))
            table.keep_only({})
    assert "cannot set the mode: operation not permitted" in caplog.text
    assert "cannot remove the file: permission denied" in caplog.text


@contextlib.contextmanager
def as_user(uid: int) -> Iterator[None]:
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_taken_address_is_named(table: SocketTable) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BindError, match=f"{address}: address already in use"):
            table.open({"echo": options(address)})


def test_a_wildcard_opens_beside_the_address_whose_place_it_takes(table: SocketTable) -> None:
    port = find_free_port()
    table.open({"a": options(f"tcp://127.0.0.1:{port}")})
    table.open({"a": options(f"tcp://0.0.0.0:{port}")})
    assert table.bound_names("a", options(f"tcp://0.0.0.0:{port}")) == [f"tcp://0.0.0.0:{port}"]


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_two_listeners_never_share_a_port(table: SocketTable, scheme: str) -> None:
    port = find_free_port()
    one, two = options(f"{scheme}://localhost:{port}"), options(f"{scheme}://127.0.0.1:{port}")
    fault = f"{scheme}://127.0.0.1:{port} is taken by listeners.one "
    with pytest.raises(BindError, match=fault):
        table.open({"one": one, "two": two})
    table.keep_only({"one": one})
    with pytest.raises(BindError, match=fault):
        table.open({"one": one, "two": two})


def test_an_address_by_another_name_keeps_its_socket(table: SocketTable) -> None:
    first = options("tcp://127.0.0.1:0")
    table.open({"a": first})
    port = port_of(table, "a", first)
    number, name = options(f"tcp://127.0.0.1:{port}"), options(f"tcp://localhost:{port}")
    table.open({"a": number})
    [(_, sock)] = table.of("a", number)
    for taking in (name, number):
        table.open({"a": taking})
        table.keep_only({"a": taking})
        assert sock in [found for _, found in table.of("a", taking)]
        assert f"tcp://127.0.0.1:{port}" in table.bound_names("a", taking)


@pytest.mark.parametrize("label", ["echo", f"{STORED}echo"])
def test_a_passed_socket_is_used_where_its_name_and_address_match(label: str) -> None:
    with contextlib.ExitStack() as opened:
        passed = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        address = f"tcp://127.0.0.1:{passed.getsockname()[1]}"
        table = SocketTable([(label, passed)])
        opened.callback(table.keep_only, {})
        echo = options(address)
        table.open({"echo": echo})
        assert table.of("echo", echo)[0][1] is passed
        assert table.storable({"echo": echo}) == ({label: [passed]} if label != "echo" else {})
        table.close_unclaimed()
        assert passed.fileno() >= 0


def test_a_passed_socket_whose_address_is_removed_refuses_connections() -> None:
    with contextlib.ExitStack() as opened:
        passed = socket.create_server(("127.0.0.1", 0))
        of_the_unit = opened.enter_context(passed.dup())
        address = f"tcp://127.0.0.1:{passed.getsockname()[1]}"
        other = {"echo": options("tcp://127.0.0.1:0")}
        table = SocketTable([("echo", passed)])
        opened.callback(table.keep_only, {})
        table.open({"echo": options(address)})
        table.close_unclaimed()
        socket.create_connection(of_the_unit.getsockname(), 5).close()
        table.open(other)
        table.keep_only(other)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(of_the_unit.getsockname(), 5)
        again = {"echo": options(address)}
        table.open(again)
        table.keep_only(again)
        socket.create_connection(of_the_unit.getsockname(), 5).close()


def test_a_stop_leaves_the_sockets_of_a_socket_unit_listening() -> None:
    passed = socket.create_server(("127.0.0.1", 0))
    with passed.dup() as of_the_unit:
        table = SocketTable([("echo", passed)])
        table.open({"echo": options(f"tcp://127.0.0.1:{passed.getsockname()[1]}")})
        table.close_unclaimed()
        table.keep_only({})
        socket.create_connection(of_the_unit.getsockname(), 5).close()


def test_a_passed_socket_that_matches_nothing_refuses_connections(
    caplog: pytest.LogCaptureFixture,
) -> None:
    passed = socket.create_server(("127.0.0.1", 0))
    with passed.dup() as of_the_unit:
        table = SocketTable([("other", passed)])
        table.close_unclaimed()
        assert passed.fileno() == -1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(of_the_unit.getsockname(), 5)
    assert "passed socket other (tcp://127.0.0.1:" in caplog.text
    assert "add the address to listeners.other and restart the socket unit" in caplog.text


def stored_entries(
    table: SocketTable, listeners: dict[str, ListenerOptions]
) -> list[tuple[str, socket.socket]]:
    """What the next process gets of a table whose process ends; the table is closed."""
    labelled = table.storable(listeners).items()
    copies = [(label, sock.dup()) for label, socks in labelled for sock in socks]
    table.leave_files()
    table.keep_only({})
    return copies


@pytest.mark.parametrize("scheme", ["unix", "unixgram"])
def test_a_stored_unix_socket_keeps_its_file_until_a_stop(
    table: SocketTable, tmp_path: Path, scheme: str
) -> None:
    echo = options(f"{scheme}://{tmp_path}/echo")
    table.open({"echo": echo})
    before = os.stat(tmp_path / "echo")
    for _ in range(2):
        table = SocketTable(stored_entries(table, {"echo": echo}))
        assert os.stat(tmp_path / "echo").st_ino == before.st_ino
        table.open({"echo": echo})
        table.close_unclaimed()
    kind = socket.SOCK_STREAM if scheme == "unix" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_UNIX, kind) as client:
        client.connect(f"{tmp_path}/echo")
    table.keep_only({})
    assert not (tmp_path / "echo").exists()


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_stored_unix_socket_without_its_file_is_opened_anew(
    table: SocketTable, tmp_path: Path, *, is_replaced: bool
) -> None:
    echo = options(f"unix://{tmp_path}/echo")
    table.open({"echo": echo})
    entries = stored_entries(table, {"echo": echo})
    (tmp_path / "echo").unlink()
    if is_replaced:
        with socket.socket(socket.AF_UNIX) as of_another_process:
            of_another_process.bind(f"{tmp_path}/echo")
    table = SocketTable(entries)
    table.open({"echo": echo})
    [(_, sock)] = table.of("echo", echo)
    assert sock is not entries[0][1]
    table.close_unclaimed()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{tmp_path}/echo")
        sock.accept()[0].close()
    table.keep_only({})
    assert not (tmp_path / "echo").exists()


def test_a_unix_socket_whose_file_was_replaced_is_not_stored(
    table: SocketTable, tmp_path: Path
) -> None:
    echo = options(f"unix://{tmp_path}/echo")
    table.open({"echo": echo})
    assert next(iter(table.storable({"echo": echo}))).startswith(f"{STORED}echo/")
    (tmp_path / "echo").unlink()
    assert table.storable({"echo": echo}) == {}


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "unix://{path}/echo"])
def test_a_stored_socket_stays_with_its_address_when_the_listener_is_renamed(
    table: SocketTable, tmp_path: Path, address: str
) -> None:
    echo = options(address.format(port=find_free_port(), path=tmp_path))
    table.open({"before": echo})
    entries = stored_entries(table, {"before": echo})
    table = SocketTable(entries)
    table.open({"after": echo})
    assert [sock for _, sock in table.of("after", echo)] == [sock for _, sock in entries]
    table.close_unclaimed()
    table.keep_only({})


def test_a_configuration_that_fails_leaves_the_passed_sockets_to_another_one(
    table: SocketTable, tmp_path: Path
) -> None:
    echo = options(f"tcp://127.0.0.1:{find_free_port()}", f"unix://{tmp_path}/echo")
    table.open({"echo": echo})
    entries = stored_entries(table, {"echo": echo})
    table = SocketTable(entries)
    for _ in range(2):
        table.open({"echo": echo})
        assert {sock for _, sock in table.of("echo", echo)} == {sock for _, sock in entries}
        table.keep_only({})
    assert (tmp_path / "echo").exists()
    assert all(sock.fileno() >= 0 for _, sock in entries)
    table.close_unclaimed()
    assert not (tmp_path / "echo").exists()
    assert [sock.fileno() for _, sock in entries] == [-1, -1]


def test_an_address_that_was_not_passed_on_is_logged(
    table: SocketTable, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = (options(f"tcp://127.0.0.1:{find_free_port()}") for _ in range(2))
    table.open({"one": one, "other": other})
    entries = stored_entries(table, {"one": one, "other": other})
    entries.pop()[1].close()
    table = SocketTable(entries)
    table.open({"one": one, "other": other})
    table.report_missing()
    [message] = caplog.messages
    assert message.startswith(f"{other.address[0]} was not passed on")
    table.close_unclaimed()
    table.keep_only({})


def test_with_port_0_a_listener_keeps_its_port_over_a_restart(table: SocketTable) -> None:
    both = {name: options("tcp://127.0.0.1:0", "udp://127.0.0.1:0") for name in "ab"}
    table.open(both)
    before = {name: table.bound_names(name, both[name]) for name in both}
    table = SocketTable(reversed(stored_entries(table, both)))
    table.open(both)
    assert {name: table.bound_names(name, both[name]) for name in both} == before
    table.close_unclaimed()
    table.keep_only({})


def test_a_datagram_socket_whose_address_cannot_be_read_is_left_out_with_a_warning(
    table: SocketTable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table.open({"echo": options("udp://127.0.0.1:0")})
    [port] = table.datagram_names()
    assert isinstance(port, int)

    def fail(_sock: socket.socket) -> None:
        raise OSError(errno.ENOBUFS, "No buffer space available")

    monkeypatch.setattr(socket.socket, "getsockname", fail)
    assert table.datagram_names() == ()
    assert "cannot find the address of a datagram socket: no buffer space" in caplog.text

from __future__ import annotations

import errno
import os
import resource
import socket
import stat
from pathlib import Path

import pytest

from netd.errors import BindError
from netd.runtime import process, sockets

STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


def test_the_bound_name_has_the_port_that_the_system_chose() -> None:
    [sock] = sockets.open_inet(STREAM, "127.0.0.1", 0, 10)
    with sock:
        assert sockets.bound_name(sock) == f"tcp://127.0.0.1:{sock.getsockname()[1]}"
        assert not sock.getblocking()


def test_a_link_local_address_is_named_with_its_interface() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("ff02::1", 0, 0, socket.if_nametoindex("lo")))
        assert sockets.bound_name(sock) == f"udp://[ff02::1%lo]:{sock.getsockname()[1]}"


def test_a_link_local_address_whose_interface_is_gone_has_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_index: int) -> str:
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))

    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        index = socket.if_nametoindex("lo")
        sock.bind(("ff02::1", 0, 0, index))
        monkeypatch.setattr(socket, "if_indextoname", fail)
        assert sockets.bound_name(sock) == f"udp://[ff02::1%{index}]:{sock.getsockname()[1]}"


def test_a_host_with_two_addresses_gives_two_sockets_on_one_port() -> None:
    opened = sockets.open_inet(DATAGRAM, "localhost", 0, 10)
    assert len({sock.getsockname()[1] for sock in opened}) == 1
    for sock in opened:
        sock.close()


def test_the_ipv6_wildcard_includes_ipv4() -> None:
    [sock] = sockets.open_inet(STREAM, "::", 0, 10)
    with sock, socket.create_connection(("127.0.0.1", sock.getsockname()[1]), 20):
        accepted, peer = sock.accept()
        accepted.close()
        assert peer[0] == "::ffff:127.0.0.1"
        assert sockets.bound_name(sock).startswith("tcp://[::]:")


def test_connections_of_a_passed_socket_send_without_delay() -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        listening = sockets.adopt(passed.detach())
    with listening, socket.create_connection(listening.getsockname(), 20):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_loopback_sockets_use_reno(host: str) -> None:
    [listening] = sockets.open_inet(socket.SOCK_STREAM, host, 0, 1)
    with listening, socket.create_connection(listening.getsockname()[:2]):
        accepted, _ = listening.accept()
        with accepted:
            algorithm = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    assert algorithm.rstrip(b"\0") == b"reno"


def test_a_port_in_use_is_refused_and_all_sockets_are_closed() -> None:
    [sock] = sockets.open_inet(STREAM, "127.0.0.1", 0, 10)
    before = len(os.listdir("/proc/self/fd"))
    with sock, pytest.raises(BindError, match="address already in use"):
        sockets.open_inet(STREAM, "127.0.0.1", sock.getsockname()[1], 10)
    assert len(os.listdir("/proc/self/fd")) == before - 1


def test_an_unknown_host_is_refused() -> None:
    with pytest.raises(BindError, match=r"no\.such\.host\.invalid: "):
        sockets.open_inet(STREAM, "no.such.host.invalid", 1, 10)


@pytest.mark.parametrize("kind", [STREAM, DATAGRAM])
def test_a_unix_socket_has_its_mode_and_replaces_a_stale_file(
    tmp_path: Path, kind: socket.SocketKind
) -> None:
    path = str(tmp_path / "s")
    sockets.open_unix(kind, path, 0o600, 1).close()
    with sockets.open_unix(kind, path, 0o660, 1) as sock:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        scheme = "unix" if kind == STREAM else "unixgram"
        assert sockets.bound_name(sock) == f"{scheme}://{path}"


def test_a_unix_socket_in_use_is_not_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with (
        sockets.open_unix(STREAM, path, 0o600, 1),
        pytest.raises(BindError, match="address already in use"),
    ):
        sockets.open_unix(STREAM, path, 0o600, 1)
    assert sockets.file_identity(path) is not None


def test_a_file_that_is_not_a_socket_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(BindError, match="not a socket"):
        sockets.open_unix(STREAM, str(path), 0o600, 1)
    assert path.read_text() == "data"


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    path = str(tmp_path / "missing" / "s")
    with pytest.raises(BindError, match="no such file or directory"):
        sockets.open_unix(STREAM, path, 0o600, 1)
    assert sockets.file_identity(path) is None


def test_a_unix_socket_without_a_descriptor_left_is_refused(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        with pytest.raises(BindError, match="too many open files"):
            sockets.open_unix(STREAM, str(tmp_path / "echo"), 0o600, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_an_ordinary_user_is_told_which_ports_to_use() -> None:
    reader, writer = os.pipe()

    def listen() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            sockets.open_inet(STREAM, "127.0.0.1", 7, 10)
        except BindError as error:
            os.write(writer, str(error).encode())

    child = process.spawn(listen, keep=[writer])
    os.close(writer)
    with open(reader, "rb") as file:
        found = file.read()
    child.destroy()
    limit = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    expected = b"permission denied: a port below 1024 is for root and for the unit"
    assert found.startswith(expected) or limit <= 7

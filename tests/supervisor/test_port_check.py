"""Which addresses of a configuration cannot be bound."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from netd.config.address import Address
from netd.config.load import read_config
from netd.config.model import Config
from netd.listeners.kinds import KINDS
from netd.supervisor.port_check import HeldAddresses, check_ports
from tests.support import find_free_port


def read(directory: Path, text: str) -> Config:
    path = directory / "netd.toml"
    path.write_text(text)
    return read_config(str(path), KINDS)


def test_ports_in_use_are_found_except_those_of_the_daemon(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        config = read(
            tmp_path,
            f'[listeners.web]\nkind = "http"\naddress = ["tcp://127.0.0.1:0", "{address}"]\n',
        )
        [problem] = check_ports(config, HeldAddresses())
        assert str(problem) == f"listeners.web.address.1: {address}: address already in use"
        assert check_ports(config, HeldAddresses({Address.parse(address)})) == ()


def test_an_address_in_use_is_a_warning_if_the_daemon_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        config = read(tmp_path, f'[listeners.web]\nkind = "http"\naddress = "{address}"\n')
        [problem] = check_ports(config, HeldAddresses(unknown="perhaps by netd"))
        assert problem.is_warning
        assert problem.message == f"{address}: address already in use; perhaps by netd"


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_two_names_of_one_address_are_found(tmp_path: Path, scheme: str) -> None:
    port = find_free_port()
    first, second = f"{scheme}://localhost:{port}", f"{scheme}://127.0.0.1:{port}"
    config = read(
        tmp_path,
        f'[listeners.one]\nkind = "echo"\naddress = "{first}"\n'
        f'[listeners.two]\nkind = "echo"\naddress = ["tcp://127.0.0.1:0", "{second}"]\n',
    )
    [problem] = check_ports(config, HeldAddresses())
    assert problem.key == "listeners.two.address.1"
    assert problem.message == f"{second} is taken by listeners.one ({first})"


def test_an_address_that_the_daemon_holds_by_another_name_is_not_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        bound = Address.parse(f"tcp://127.0.0.1:{port}")
        for host in ("localhost", "0.0.0.0"):
            config = read(
                tmp_path, f'[listeners.a]\nkind = "echo"\naddress = "tcp://{host}:{port}"\n'
            )
            assert check_ports(config, HeldAddresses(bound={bound})) == ()


def test_a_trial_bind_leaves_no_socket_behind(tmp_path: Path) -> None:
    config = read(tmp_path, f'[listeners.web]\nkind = "http"\naddress = "unix://{tmp_path}/s"\n')
    assert check_ports(config, HeldAddresses()) == ()
    assert not (tmp_path / "s").exists()

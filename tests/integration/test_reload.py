"""Reload: invisible to connected clients, and without any effect if it is refused."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from netd.config.address import Address
from tests.conftest import StartDaemon
from tests.integration.traffic import Traffic
from tests.support import (
    PATIENCE_S,
    Daemon,
    connect,
    find_free_port,
    open_files,
    read_all,
    read_exactly,
    stop_process,
    wait_until,
)

ECHO = '[listeners.echo]\nkind = "echo"\naddress = "tcp://127.0.0.1:0"\n'
CHAT = '[listeners.lounge]\nkind = "chat"\naddress = "tcp://127.0.0.1:0"\n'
WEB = """[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
[[listeners.web.routes]]
path = "/"
text = "one"
"""
ALL = ECHO + CHAT + WEB


def get(daemon: Daemon, name: str = "web") -> bytes:
    with daemon.connect(name) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return read_all(client).partition(b"\r\n\r\n")[2]


def join(daemon: Daemon, nick: str) -> socket.socket:
    client = daemon.connect("lounge")
    client.sendall(b"NICK %s\r\nUSER %s 0 * :x\r\nJOIN #lounge\r\n" % ((nick.encode(),) * 2))
    read_until(client, b" 366 ")
    return client


def read_until(client: socket.socket, text: bytes) -> bytes:
    data = b""
    while text not in data:
        chunk = client.recv(65536)
        assert chunk, f"the end came before {text!r}, after {data!r}"
        data += chunk
    return data


def echoes(client: socket.socket, data: bytes = b"still here") -> bool:
    client.sendall(data)
    return read_exactly(client, len(data)) == data


def test_an_unchanged_file_disturbs_no_client(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL)
    before = [daemon.pids(name) for name in ("echo", "lounge", "web")]
    reply = daemon.netd("reload")
    assert (reply.returncode, reply.stdout) == (0, "reloaded: nothing changed\n")
    assert [daemon.pids(name) for name in ("echo", "lounge", "web")] == before


def test_a_client_that_sends_a_request_and_ends_its_side_gets_its_reply(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon(ALL)
    daemon.write(ALL.replace('"one"', '"two"'))
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(daemon.control)
        client.sendall(b'{"command": "reload"}')
        client.shutdown(socket.SHUT_WR)
        assert b"reconfigured web" in read_all(client)


def test_hup_reloads(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL)
    daemon.write(ALL.replace('"one"', '"two"'))
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.status()["last_reload"], "the reload")
    assert daemon.status()["last_reload"]["detail"] == "reconfigured web"
    assert get(daemon) == b"two"


def accepts(path: str) -> bool:
    """Whether a process listens on a Unix socket, whose file exists a moment before."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def test_a_reload_requested_during_the_start_is_done_after_it(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL, ready=False)
    wait_until(lambda: accepts(daemon.control), "the control socket")
    reply = daemon.reload()
    assert (reply.error, reply.body["detail"]) == ("", "nothing changed")


def test_reloads_requested_at_once_are_combined(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL)
    with ExitStack() as stack:
        stop_process(daemon.process.pid)
        stack.callback(daemon.process.send_signal, signal.SIGCONT)
        clients = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(8)]
        for client in clients:
            client.settimeout(PATIENCE_S)
            client.connect(daemon.control)
            client.sendall(b'{"command": "reload"}\n')
            client.shutdown(socket.SHUT_WR)
        daemon.process.send_signal(signal.SIGCONT)
        for client in clients:
            assert b"nothing changed" in read_all(client)
    assert daemon.log.read_text().count("reloaded: ") < len(clients)


def test_a_live_change_reaches_the_running_worker(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL)
    before = daemon.pids("web")
    with daemon.connect("web") as kept:
        kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_until(kept, b"one")
        daemon.write(ALL.replace('"one"', '"two"'))
        assert daemon.reload().error == ""
        kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_until(kept, b"two")
    assert daemon.pids("web") == before


@pytest.mark.parametrize("kind", ["echo", "chat", "http"])
def test_a_reload_restores_the_file_of_a_socket(
    start_daemon: StartDaemon, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "socket"
    config = f'[listeners.x]\nkind = "{kind}"\naddress = "unix://{path}"\nsocket_mode = "0600"\n'
    daemon = start_daemon(config)
    with daemon.connect("x") as earlier:
        path.unlink()
        assert daemon.reload().body["detail"] == "nothing changed; new socket files for x"
        assert path.stat().st_mode & 0o777 == 0o600
        assert daemon.netd("probe").returncode == 0
        assert f"unix://{path}: its file was removed; there is a new one" in daemon.log.read_text()
        if kind == "echo":
            assert echoes(earlier)
    assert daemon.reload().body["detail"] == "nothing changed"


def test_a_reload_restores_the_file_of_the_control_socket(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ECHO)
    Path(daemon.control).unlink()
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(daemon.control), "a new control socket")
    wait_until(lambda: accepts(daemon.control), "its queue")
    wait_until(lambda: daemon.status()["last_reload"], "the outcome")
    assert daemon.status()["last_reload"]["ok"]
    assert daemon.stop() == 0
    assert not os.path.exists(daemon.control)


def test_a_file_of_another_in_place_of_a_socket_s_is_left_alone(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    path, other = tmp_path / "echo", tmp_path / "other"
    config = ECHO.replace("tcp://127.0.0.1:0", f"unix://{path}")
    daemon = start_daemon(config)
    path.unlink()
    other.write_text("not ours")
    other.chmod(0o644)
    path.symlink_to(other)
    daemon.write(config + 'socket_mode = "0600"\n')
    assert daemon.reload().body["detail"] == "reconfigured echo"
    assert other.stat().st_mode & 0o777 == 0o644
    assert daemon.stop() == 0
    assert path.is_symlink()


def test_a_listener_is_added_and_removed(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ECHO + CHAT)
    daemon.write(ECHO + WEB)
    assert daemon.reload().body["detail"] == "added web; removed lounge"
    assert get(daemon) == b"one"
    wait_until(lambda: len(daemon.status()["listeners"]) == 2, "the lounge to be gone")


def test_a_removed_listener_lets_an_open_echo_finish(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL)
    with daemon.connect("echo") as client:
        assert echoes(client)
        address = daemon.address("echo")
        daemon.write(CHAT + WEB)
        assert daemon.reload().error == ""
        wait_until(lambda: refuses(address), "new connections to be refused")
        assert echoes(client)


def refuses(address: Address) -> bool:
    try:
        connect(address).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_moved_listener_keeps_its_members(start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = start_daemon(ALL)
    with join(daemon, "bob") as bob, daemon.connect("echo") as client:
        assert echoes(client)
        moved = ALL.replace('"tcp://127.0.0.1:0"', f'"unix://{tmp_path}/x"', 2).replace(
            f"{tmp_path}/x", f"{tmp_path}/echo", 1
        )
        daemon.write(moved)
        assert daemon.reload().body["detail"] == "reconfigured echo, lounge"
        assert echoes(client)
        with join(daemon, "alice") as alice:
            assert b"alice" in read_until(bob, b"JOIN")
            bob.sendall(b"PRIVMSG #lounge :hi alice\r\n")
            assert b"hi alice" in read_until(alice, b"PRIVMSG")


def test_a_moved_echo_stops_at_once(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ECHO)
    daemon.write(ECHO.replace("127.0.0.1", "127.0.0.2"))
    assert daemon.reload().body["detail"] == "reconfigured echo"
    with daemon.connect("echo") as client:
        assert echoes(client)
    assert daemon.stop() == 0
    assert "SIGKILL" not in daemon.log.read_text()


def test_echo_goes_on_when_its_concurrency_changes(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ECHO)
    before = daemon.pids("echo")
    with daemon.connect("echo") as client:
        assert echoes(client)
        daemon.write(ECHO + 'concurrency = "thread"\n')
        assert daemon.reload().body["detail"] == "replaced echo"
        wait_until(lambda: len(daemon.pids("echo")) == 1, "the old worker to be gone")
        assert daemon.pids("echo") != before
        assert echoes(client)
        with daemon.connect("echo") as new:
            assert echoes(new)
        wait_until(lambda: daemon.listener("echo")["counters"]["accepted"] == 2, "both connections")


def test_a_listener_changes_its_kind_on_its_address(start_daemon: StartDaemon) -> None:
    port = find_free_port()
    daemon = start_daemon(ECHO.replace(":0", f":{port}"))
    with daemon.connect("echo") as client:
        assert echoes(client)
        daemon.write(WEB.replace(":0", f":{port}").replace("listeners.web", "listeners.echo"))
        assert daemon.reload().body["detail"] == "replaced echo"
        assert echoes(client)
    wait_until(lambda: len(daemon.status()["listeners"]) == 1, "the old worker to be gone")
    assert get(daemon, "echo") == b"one"


def test_more_workers_leave_the_running_ones_and_fewer_replace_them(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon(WEB.replace("kind", "workers = 2\nkind"))
    first, second = daemon.pids("web")
    daemon.write(WEB.replace("kind", "workers = 3\nkind"))
    assert daemon.reload().error == ""
    assert daemon.pids("web")[:2] == [first, second]
    assert len(daemon.pids("web")) == 3
    daemon.write(WEB)
    assert daemon.reload().error == ""
    wait_until(lambda: len(daemon.pids("web")) == 1, "the old workers to be gone")
    assert daemon.pids("web")[0] not in (first, second)


def test_a_listener_moves_to_the_wildcard_of_its_port_and_back(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL)
    port = daemon.address("web").port
    narrow = ALL.replace(
        '"http"\naddress = "tcp://127.0.0.1:0"', f'"http"\naddress = "tcp://127.0.0.1:{port}"'
    )
    assert narrow != ALL
    for config in (narrow, narrow.replace(f"127.0.0.1:{port}", f"[::]:{port}"), narrow):
        daemon.write(config)
        assert daemon.reload().error == ""
        assert get(daemon) == b"one"
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert read_all(client).endswith(b"one")


def test_the_control_socket_moves(start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = start_daemon(ALL)
    old, daemon.control = daemon.control, str(tmp_path / "moved.sock")
    daemon.write(ALL)
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: Path(daemon.control).exists() and not Path(old).exists(), "the move")
    assert daemon.status()["state"] == "serving"


def assert_refused(daemon: Daemon, config: str, why: str) -> None:
    before = [daemon.pids(listener["name"]) for listener in daemon.status()["listeners"]]
    addresses = [listener["addresses"] for listener in daemon.status()["listeners"]]
    descriptors = len(lasting_files(daemon.process.pid))
    daemon.write(config)
    reply = daemon.reload()
    assert why in reply.error
    status = daemon.status()
    assert status["last_reload"]["ok"] is False
    assert why in status["last_reload"]["detail"]
    assert why in daemon.log.read_text()
    assert [daemon.pids(listener["name"]) for listener in status["listeners"]] == before
    assert [listener["addresses"] for listener in status["listeners"]] == addresses
    wait_until(lambda: len(lasting_files(daemon.process.pid)) <= descriptors, "no leak")


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (ALL.replace("kind", "knid", 1), "knid"),
        (ALL + "[", "netd.toml:"),
        (ALL.replace('kind = "http"', 'kind = "http"\nworkers = 0'), "listeners.web.workers"),
        (ALL.replace('text = "one"', 'directory = "/no/such/directory"'), "/no/such/directory"),
        (
            ALL + ECHO.replace("listeners.echo", "listeners.b").replace("127.0.0.1:0", "[::]:1x"),
            "1x",
        ),
        (ALL + ECHO.replace("listeners.echo", "listeners.b").replace("127.0.0.1", "a..b"), "a..b"),
    ],
)
def test_a_bad_file_changes_nothing(start_daemon: StartDaemon, config: str, why: str) -> None:
    daemon = start_daemon(ALL)
    assert_refused(daemon, config, why)
    assert get(daemon) == b"one"


def test_a_taken_port_changes_nothing(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        more = f'[listeners.more]\nkind = "echo"\naddress = "{address}"\n'
        changed = ALL.replace('"one"', '"two"')
        assert_refused(daemon, changed + more, f"{address}: address already in use")
    assert get(daemon) == b"one"


def test_workers_there_is_no_room_for_leave_nothing_behind(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ECHO)
    more = "".join(ECHO.replace("echo]", f"more{number}]") for number in range(4))
    daemon.write(ECHO + more)
    pid = daemon.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 9, limits[1]))
    assert "cannot start a worker" in daemon.reload().error
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    wait_until(lambda: len(daemon.status()["listeners"]) == 1, "the new ones' end")
    assert daemon.stop() == 0


def test_the_successor_of_a_worker_that_dies_while_it_is_reconfigured_is_awaited(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon('[netd]\nstart_timeout = "30s"\n' + ALL)
    [lounge] = daemon.pids("lounge")
    stop_process(lounge)
    daemon.write(
        '[netd]\nstart_timeout = "30s"\n'
        + ALL.replace('"one"', '"two"').replace('kind = "chat"', 'kind = "chat"\nbacklog = 7')
    )
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: get(daemon) == b"two", "the web's part of the reload")
    os.kill(lounge, signal.SIGKILL)
    wait_until(lambda: daemon.status()["last_reload"], "the outcome")
    assert daemon.status()["last_reload"]["ok"]
    assert get(daemon) == b"two"
    assert daemon.pids("lounge") != [lounge]


def test_a_worker_that_waits_for_its_next_start_takes_the_new_configuration_at_once(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon(WEB)

    def has_ended_five_times() -> bool:
        for pid in filter(None, daemon.pids("web")):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return daemon.log.read_text().count("next start in ") >= 5  # the last in 2 s or more

    wait_until(has_ended_five_times, "five ends")
    daemon.write(WEB.replace('"one"', '"two"'))
    assert daemon.reload().body["detail"] == "reconfigured web"
    assert get(daemon) == b"two"


def test_netd_reload_prints_the_errors_and_exits_with_78(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL)
    daemon.write(ALL.replace("text", "txet"))
    reply = daemon.netd("reload")
    assert reply.returncode == os.EX_CONFIG
    assert "netd.toml:14: listeners.web.routes.0.txet: " in reply.stderr
    quiet = daemon.netd("reload", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (os.EX_CONFIG, "", "")
    status = daemon.netd("status")
    assert status.returncode == 1
    assert "refused" in status.stdout


def test_status_is_shown_also_while_the_file_is_broken(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL)
    daemon.write(ALL + "[[[")
    status = daemon.netd("status")
    assert status.returncode == 0, status.stderr
    assert "serving" in status.stdout


def test_twenty_reloads_under_traffic_lose_nothing(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    unix = f'"unix://{tmp_path}/echo"'
    echo = ECHO.replace(
        '"tcp://127.0.0.1:0"', f'["tcp://127.0.0.1:0", "udp://127.0.0.1:0", {unix}]'
    )
    base = echo + CHAT + WEB
    variants = (
        base.replace('"one"', '"two"'),
        base.replace('kind = "http"', 'kind = "http"\nworkers = 2'),
        base.replace('kind = "echo"', 'kind = "echo"\nconcurrency = "thread"'),
        base.replace('kind = "chat"', 'kind = "chat"\nmax_connections = 500')
        + ECHO.replace("listeners.echo", "listeners.extra"),
        base,
    )
    daemon = start_daemon(base)
    with Traffic(daemon) as traffic:
        traffic.await_progress()
        for round_ in range(20):
            daemon.write(variants[round_ % len(variants)])
            assert daemon.reload().error == ""
            traffic.await_progress()
    assert traffic.errors == []
    assert all(traffic.exchanges.values()), traffic.exchanges


def test_descriptors_do_not_grow_with_connections_and_reloads(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ALL)

    def held() -> int:
        pids = [
            daemon.process.pid,
            *(pid for n in ("echo", "lounge", "web") for pid in daemon.pids(n)),
        ]
        return sum(len(lasting_files(pid)) for pid in pids)

    def round_trip() -> None:
        for _ in range(40):
            get(daemon)
            with daemon.connect("echo") as client:
                assert echoes(client)
            join(daemon, "bob").close()
        wait_until(
            lambda: all(
                listener["counters"].get("connections", 0) == 0
                for listener in daemon.status()["listeners"]
            ),
            "every connection to be gone",
        )

    round_trip()
    before = held()
    for number in range(20):
        daemon.write(ALL.replace('"one"', f'"{number}"'))
        assert daemon.reload().error == ""
    round_trip()
    wait_until(lambda: held() <= before, f"{before} descriptors, not {held()}")


def lasting_files(pid: int) -> list[str]:
    """The names of a process's descriptors but for snapshots, which come and go."""
    names = open_files(pid)
    lasting = [name for name in names if "memfd:" not in name]
    assert len(names) - len(lasting) <= 3
    return lasting


def test_two_listeners_with_one_address_are_refused_and_the_first_goes_on(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon(ECHO)
    port = daemon.address("echo").port
    number, name = f"tcp://127.0.0.1:{port}", f"tcp://localhost:{port}"
    daemon.write(ECHO.replace("tcp://127.0.0.1:0", number))
    assert not daemon.reload().error
    both = WEB.replace("tcp://127.0.0.1:0", name) + ECHO.replace("tcp://127.0.0.1:0", number)
    daemon.write(both)
    check = daemon.netd("check")
    assert check.returncode == os.EX_CONFIG
    assert f"listeners.echo.address: {number} is taken by listeners.web ({name})" in check.stderr
    assert "is taken by listeners." in daemon.reload().error
    for _ in range(20):
        with daemon.connect("echo") as client:
            assert echoes(client)
    daemon.stop()
    daemon.start()
    assert daemon.process.wait(PATIENCE_S) == os.EX_UNAVAILABLE
    assert "is taken by listeners.web" in daemon.log.read_text()


def test_check_takes_no_port_of_the_daemon_for_that_of_another(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ECHO)
    port = daemon.address("echo").port
    for host in ("127.0.0.1", "localhost", "127.0.0.1"):
        daemon.write(ECHO.replace("127.0.0.1:0", f"{host}:{port}"))
        assert daemon.netd("check").returncode == 0
        assert not daemon.reload().error
        with connect(Address.parse(f"tcp://127.0.0.1:{port}")) as client:
            assert echoes(client)
    daemon.write(ECHO.replace("127.0.0.1:0", f"0.0.0.0:{port}"))
    assert daemon.netd("check").returncode == 0
    assert not daemon.reload().error

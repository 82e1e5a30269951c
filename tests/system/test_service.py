"""netd as an administrator of Debian runs it, on each release with the package for it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support import wait_until
from tests.system.container import Container

pytestmark = [pytest.mark.system, pytest.mark.timeout(600, func_only=True)]

CONFIG = "/etc/netd.toml"
SHIPPED = "/usr/share/netd-test.toml"


@pytest.fixture(autouse=True)
def _as_shipped(installed: Container) -> Iterator[None]:
    yield
    installed.sh(
        f"cmp -s {CONFIG} {SHIPPED} && systemctl -q is-active netd && exit;"
        f"cp {SHIPPED} {CONFIG}; systemctl reset-failed netd; systemctl restart netd"
    )


@pytest.fixture(autouse=True, scope="module")
def _remember(installed: Container) -> None:
    installed.sh(f"cp {CONFIG} {SHIPPED}")


def reload(container: Container, edit: str) -> int:
    """Edit the configuration with sed, then reload; returns the exit status of systemctl."""
    container.sh(f"sed -i '{edit}' {CONFIG}")
    return container.try_("systemctl reload netd").returncode


def test_it_runs_as_its_own_user_and_answers(installed: Container) -> None:
    assert installed.sh("systemctl is-active netd; systemctl is-enabled netd").split() == [
        *("active", "enabled"),
    ]
    pid = installed.property("MainPID")
    assert installed.sh(f"ps -o user= -p {pid}").strip() == "netd"
    assert installed.sh("echo hello | nc -N 127.0.0.1 7007") == "hello\n"
    assert installed.sh("curl -s http://127.0.0.1:8080/hello") == "Hello from Epoll Server"
    assert "3 listeners, 3 workers" in installed.property("StatusText")
    probe = installed.sh("netd probe")
    assert all(name in probe for name in ("echo", "lounge", "web"))


def test_the_user_service_is_not_enabled(installed: Container) -> None:
    assert installed.sh("find /etc/systemd/user -name 'netd*'") == ""


def test_if_memory_runs_out_a_worker_ends_before_the_supervisor(installed: Container) -> None:
    main = installed.property("MainPID")
    status = json.loads(installed.sh("netd status --json"))
    workers = [worker["pid"] for listener in status["listeners"] for worker in listener["workers"]]
    scores = [int(installed.sh(f"cat /proc/{pid}/oom_score_adj")) for pid in (main, *workers)]
    supervisor, *others = scores  # a container may not be allowed to lower a score
    assert supervisor in {-250, 0}
    assert others == [supervisor + 250] * len(workers)
    assert installed.property("OOMScoreAdjust") == "-250"
    assert installed.property("OOMPolicy") == "continue"


def test_it_is_back_after_a_reboot(installed: Container) -> None:
    installed.reboot()
    assert installed.sh("systemctl is-active netd").strip() == "active"
    assert installed.sh("netd status --json | head -c 1") == "{"


def test_a_good_reload_is_taken_and_keeps_the_process(installed: Container) -> None:
    pid = installed.property("MainPID")
    assert reload(installed, "s/Hello from Epoll Server/Hello again/") == 0
    assert installed.sh("curl -s http://127.0.0.1:8080/hello") == "Hello again"
    assert installed.property("MainPID") == pid


def test_a_bad_reload_fails_names_the_place_and_changes_nothing(installed: Container) -> None:
    assert reload(installed, 's/^concurrency = .*/concurrency = "threads"/') != 0
    line = installed.sh(f"grep -n concurrency {CONFIG}").partition(":")[0]
    fault = f"{CONFIG}:{line}: listeners.echo.concurrency"
    assert installed.sh("journalctl -u netd -o cat --no-pager").count(fault) == 1
    assert fault in installed.try_("netd status").stdout
    assert installed.sh("systemctl is-active netd").strip() == "active"
    assert installed.sh("echo hello | nc -N 127.0.0.1 7007") == "hello\n"
    check = installed.try_("netd check")
    assert (check.returncode, fault in check.stderr) == (78, True)


def test_low_ports_need_no_root(installed: Container) -> None:
    edit = 's,"tcp://127.0.0.1:8080","tcp://[::]:80",;s/tcp:..127.0.0.1:7007/tcp:\\/\\/127.0.0.1:7/'
    assert reload(installed, edit) == 0
    assert installed.sh("curl -s http://127.0.0.1/hello") == "Hello from Epoll Server"
    assert installed.sh("echo low | nc -N 127.0.0.1 7") == "low\n"


def test_a_killed_worker_is_brought_back_by_netd(installed: Container) -> None:
    main = installed.property("MainPID")

    def worker() -> object:
        status = json.loads(installed.try_("netd status --json").stdout)
        [web] = [entry for entry in status["listeners"] if entry["name"] == "web"]
        return web["workers"][0]["pid"]

    before = worker()
    installed.sh(f"kill -9 {before}")
    wait_until(lambda: worker() not in (before, None), "another worker")
    assert installed.sh("curl -s http://127.0.0.1:8080/hello") == "Hello from Epoll Server"
    assert installed.property("MainPID") == main


def kill_daemon(container: Container) -> None:
    """Kill the supervisor, and wait for the next one."""
    main = container.property("MainPID")
    container.sh(f"kill -9 {main}")
    wait_until(lambda: container.property("MainPID") not in (main, "0"), "another daemon")
    wait_until(lambda: container.property("ActiveState") == "active", "it to be ready")


def test_a_killed_daemon_is_brought_back_by_systemd(installed: Container) -> None:
    kill_daemon(installed)
    assert installed.sh("echo hello | nc -N 127.0.0.1 7007") == "hello\n"


def test_a_daemon_that_hangs_is_replaced_by_the_watchdog(installed: Container) -> None:
    drop_in = "/run/systemd/system/netd.service.d/watchdog.conf"
    installed.write(drop_in, "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n")
    installed.sh("systemctl daemon-reload; systemctl restart netd")
    main = installed.property("MainPID")
    installed.sh(f"kill -STOP {main}")
    wait_until(lambda: installed.property("MainPID") not in (main, "0"), "another daemon")
    wait_until(lambda: installed.property("ActiveState") == "active", "it to be ready")
    assert installed.sh("echo hello | nc -N 127.0.0.1 7007") == "hello\n"
    installed.sh(f"rm {drop_in}; systemctl daemon-reload; systemctl restart netd")


def test_a_file_that_cannot_be_used_stops_the_start_for_good(installed: Container) -> None:
    installed.sh(f"echo 'nonsense = 1' >> {CONFIG}; systemctl stop netd")
    assert installed.try_("systemctl start netd").returncode != 0
    wait_until(lambda: installed.property("ActiveState") == "failed", "no more attempts")
    assert installed.property("ExecMainStatus") == "78"


def test_a_journal_record_names_its_listener_and_cannot_be_forged(installed: Container) -> None:
    assert reload(installed, 's/^kind = "http"/&\\naccess_log = "-"/') == 0
    request = r"GET /\033[2Jevil HTTP/1.1\r\nUser-Agent: a\nLISTENER=evil\r\n\r\n"
    installed.sh("curl -s -A 'evil one' 'http://127.0.0.1:8080/evil%0aLISTENER=evil'")
    installed.sh(f"printf '{request}' | nc -N 127.0.0.1 8080")
    command = "journalctl -q -u netd --no-pager"
    wait_until(lambda: "evil one" in installed.sh(f"{command} LISTENER=web"), "the access log")
    records = [
        json.loads(line) for line in installed.sh(f"{command} -o json LISTENER=web").splitlines()
    ]
    assert all("PRIORITY" in record for record in records)
    assert all(record["MESSAGE"].isprintable() for record in records)
    assert any("evil HTTP" in record["MESSAGE"] for record in records)
    assert not installed.sh(f"{command} LISTENER=evil || true")


def add_user(container: Container, name: str) -> str:
    """Add a user to the machine; returns the user's id."""
    return container.sh(
        f"id -u {name} 2>/dev/null || {{ useradd -m {name}; id -u {name}; }}"
    ).strip()


def test_two_users_of_the_machine_talk(installed: Container) -> None:
    add_user(installed, "ann")
    add_user(installed, "bob")
    join = "netd-chat --name ann --json unix:///run/netd/lounge.sock"
    listening = installed.start(f"timeout 60 runuser -u ann -- {join}")
    assert listening.stdout is not None
    assert listening.stdin is not None
    seen: list[str] = []
    while not any('"joined"' in line for line in seen):
        seen.append(listening.stdout.readline())
        assert seen[-1], seen
    installed.sh("runuser -u bob -- netd-chat --name bob --send 'hello ann'")
    while "hello ann" not in seen[-1]:
        seen.append(listening.stdout.readline())
        assert seen[-1], seen
    assert json.loads(seen[-1])["sender"] == "bob"
    listening.stdin.close()
    listening.wait(30)
    listening.stdout.close()


def test_a_user_runs_a_separate_netd(installed: Container) -> None:
    number = add_user(installed, "ann")
    as_ann = f"runuser -u ann -- env HOME=/home/ann XDG_RUNTIME_DIR=/run/user/{number}"
    installed.sh("loginctl enable-linger ann")
    manager = f"{as_ann} systemctl --user is-system-running"
    wait_until(lambda: "running" in installed.try_(manager).stdout, "ann's systemd")
    config = '[listeners.own]\nkind = "echo"\naddress = "tcp://127.0.0.1:7107"\n'
    installed.write("/home/ann/.config/netd/netd.toml", config)
    installed.sh("chown -R ann: /home/ann")
    installed.sh(f"{as_ann} systemctl --user start netd")
    assert installed.sh("echo own | nc -N 127.0.0.1 7107") == "own\n"
    assert "own" in installed.sh(f"{as_ann} netd status --config /home/ann/.config/netd/netd.toml")
    installed.sh(f"{as_ann} systemctl --user reload netd")
    installed.sh("echo nonsense = 1 >> /home/ann/.config/netd/netd.toml")
    assert installed.try_(f"{as_ann} systemctl --user reload netd").returncode != 0
    installed.sh(f"{as_ann} systemctl --user stop netd; loginctl disable-linger ann")


def test_no_module_of_a_user_gets_into_the_commands(installed: Container) -> None:
    site = installed.try_("python3 -m site --user-site").stdout.strip()
    for module in ("tomllib", "pydantic", "json", "prompt_toolkit"):
        installed.write(f"{site}/{module}.py", f'raise SystemExit("the {module} of a user")\n')
        installed.write(f"/srv/modules/{module}.py", "raise SystemExit(1)\n")
    assert site.startswith("/root/.local/")
    assert installed.try_("python3 -c 'import pydantic'").returncode != 0
    for command in ("netd check", "netd status", "netd config show", "netd-chat --version"):
        installed.sh(f"cd /srv/modules && {command} && PYTHONPATH=/srv/modules {command}")
    installed.sh("rm -r /root/.local /srv/modules")


def test_any_number_of_restarts_leaves_the_daemon_running(installed: Container) -> None:
    installed.sh("for i in $(seq 7); do systemctl restart netd || exit 1; done")
    assert installed.sh("echo hello | nc -N 127.0.0.1 7007") == "hello\n"
    for _ in range(6):  # systemd refuses the sixth start, unless the unit says otherwise
        kill_daemon(installed)
    assert installed.sh("echo hello | nc -N 127.0.0.1 7007") == "hello\n"


def test_every_listening_socket_is_stored_and_comes_back(installed: Container) -> None:
    before = int(installed.property("NFileDescriptorStore"))
    for number in range(3):
        ports = range(20000 + 50 * number, 20050 + 50 * number)
        addresses = ", ".join(f'"tcp://127.0.0.1:{port}"' for port in ports)
        many = f'\n[listeners.many{number}]\nkind = "echo"\naddress = [{addresses}]\n'
        installed.sh(f"cat >> {CONFIG}", many)
    installed.sh("systemctl reload netd")
    assert int(installed.property("NFileDescriptorStore")) == before + 150
    kill_daemon(installed)
    installed.sh("for p in 20000 20149; do echo $p | nc -N 127.0.0.1 $p || exit 1; done")
    installed.sh("systemctl restart netd")
    assert int(installed.property("NFileDescriptorStore")) == before + 150
    installed.sh(f"cp {SHIPPED} {CONFIG}; systemctl reload netd")
    assert int(installed.property("NFileDescriptorStore")) == before
    installed.sh("systemctl stop netd")
    assert int(installed.property("NFileDescriptorStore")) == 0


def test_the_sandbox_has_no_asynchronous_io(installed: Container) -> None:
    allowed = installed.property("SystemCallFilter").split()
    assert "memfd_create" in allowed
    assert not [call for call in allowed if call.startswith("io_")]


def test_nothing_is_left_to_rotate(installed: Container) -> None:
    assert installed.sh("find /var/log -user netd") == "/var/log/netd\n"


def test_an_access_log_has_a_place(installed: Container) -> None:
    log = "/var/log/netd/web.log"
    assert reload(installed, f's|^kind = "http"|&\\naccess_log = "{log}"|') == 0
    installed.sh("curl -s http://127.0.0.1:8080/hello")
    wait_until(lambda: "GET /hello" in installed.sh(f"cat {log} || true"), "the access log")
    installed.sh(f"rm {log}")


def test_the_manual_is_there(installed: Container) -> None:
    pages = "/usr/share/man/man8/netd.8.gz /usr/share/man/man5/netd.toml.5.gz"
    installed.sh(f"ls {pages} /usr/share/man/man1/netd-chat.1.gz")
    assert "netd" in installed.sh("netd --version")


def test_the_units_are_well_formed(installed: Container) -> None:
    for command in (
        "systemd-analyze verify --man=no netd.service netd.socket",
        "XDG_RUNTIME_DIR=/run systemd-analyze verify --man=no --user netd.service",
    ):
        done = installed.try_(command)
        assert (done.returncode, done.stderr) == (0, "")

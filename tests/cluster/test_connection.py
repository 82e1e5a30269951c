"""The ways to an engine: TLS, users, sentinels; and engines that cannot be used."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest

from netd.listeners.chat.cluster.check import problems
from netd.listeners.chat.cluster.engine_address import EngineAddress, parse_engine
from netd.listeners.chat.cluster.options import ClusterOptions
from netd.listeners.chat.cluster.redis_connection import Credentials
from tests.cluster.conftest import StartRedis
from tests.cluster.engine_node import Turner
from tests.cluster.redis_server import Sentinel, free_address
from tests.support import find_free_port, make_certificate

_ENTRIES = 3  # two nodes have joined, and one has said something


def test_tls_and_a_user_of_the_acl(tmp_path: Path, start_redis: StartRedis, turner: Turner) -> None:
    files = make_certificate(tmp_path, "localhost")
    port = find_free_port()
    words = ["--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1"]
    words += ["--tls-cert-file", files["certificate"], "--tls-key-file", files["key"]]
    words += ["--tls-ca-cert-file", files["certificate"], "--tls-auth-clients", "no"]
    acl = tmp_path / "users.acl"
    acl.write_text("user default off\nuser chat on >secret ~netd:* +@all\n")
    start_redis(*words, "--aclfile", str(acl))
    context = ssl.create_default_context(cafile=files["certificate"])
    node = turner.add(
        EngineAddress("localhost", port, user="chat", is_tls=True),
        "one",
        credentials=Credentials("secret", context),
    )
    turner.until_available()
    node.say("hello")
    turner.until_equal(1)


def test_an_unknown_certificate_is_refused(
    tmp_path: Path, start_redis: StartRedis, turner: Turner
) -> None:
    files = make_certificate(tmp_path, "localhost")
    port = find_free_port()
    words = ["--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1"]
    words += ["--tls-cert-file", files["certificate"], "--tls-key-file", files["key"]]
    words += ["--tls-ca-cert-file", files["certificate"], "--tls-auth-clients", "no"]
    start_redis(*words)
    node = turner.add(
        EngineAddress("localhost", port, is_tls=True),
        "one",
        credentials=Credentials(tls=ssl.create_default_context()),
    )
    turner.until(lambda: node.failures, "the refusal")
    assert "CERTIFICATE_VERIFY_FAILED" in node.failures[0]


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_is_reported(
    start_redis: StartRedis, turner: Turner, password: str
) -> None:
    server = start_redis("--requirepass", "right")
    node = turner.add(server.address, "one", credentials=Credentials(password))
    turner.until(lambda: node.failures, "the failure")
    code = "WRONGPASS" if password else "NOAUTH"
    assert node.failures[0].startswith(f"{server.address}: {code}")


def _warnings(sentinel: Sentinel, name: str) -> list[str]:
    """The warnings of `netd check` for an engine that sentinels know by a name."""
    options = ClusterOptions(engine=(str(sentinel.address),), sentinel=name)
    return [problem.message for problem in problems(options)]


def test_a_sentinel_names_the_master_also_after_a_failover(
    tmp_path: Path, start_redis: StartRedis, turner: Turner
) -> None:
    host, ports = free_address()
    master = start_redis("--bind", host, "--port", str(ports[0]))
    follows = ("--replicaof", host, str(ports[0]), "--replica-announce-ip", host)
    replica = start_redis("--bind", host, "--port", str(ports[1]), *follows)
    with contextlib.closing(Sentinel(tmp_path, host, ports[2], ports[0])) as sentinel:
        nodes = [turner.add(sentinel.address, name, master="example") for name in ("one", "two")]
        turner.until_available()
        nodes[0].say("before")
        turner.until_equal(1)
        turner.until(lambda: replica.call("XLEN", "netd:{room}:log") == _ENTRIES, "replication")
        turner.until(lambda: sentinel.knows_replica, "the sentinel")
        assert not _warnings(sentinel, "example")
        [warning] = _warnings(sentinel, "other")
        assert f"the sentinel {sentinel.address} cannot be used now: no master other" in warning
        master.call("CONFIG", "SET", "appendfsync", "everysec")
        [warning] = _warnings(sentinel, "example")
        assert warning.startswith(f"redis://{host}:{ports[0]}: ")
        assert "set `appendfsync always`" in warning
        master.kill()
        turner.until(sentinel.fail_over, "the failover")
        nodes[1].say("after")
        turner.until_equal(2)
        assert not nodes[0].losses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://h", EngineAddress("h", 6379)),
        ("rediss://chat@h.example:7000/2", EngineAddress("h.example", 7000, "", "chat", 2, True)),
        ("redis://[::1]:1", EngineAddress("::1", 1)),
        ("unix:///run/redis.sock", EngineAddress(path="/run/redis.sock")),
    ],
)
def test_an_address(text: str, expected: EngineAddress) -> None:
    assert parse_engine(text) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("redis://:secret@h", "use password_file"),
        ("http://h", "is none of redis://"),
        ("redis://", "is none of redis://"),
        ("redis://h/x", "'x' is not the number of a database"),
        ("unix://relative", "is none of redis://"),
        ("redis://h:99999", "Port out of range"),
    ],
)
def test_a_wrong_address(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_engine(text)

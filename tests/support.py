"""Helpers of the tests: real workers, a real daemon, and waits for events without sleeping."""

from __future__ import annotations

import ast
import contextlib
import errno
import inspect
import itertools
import logging
import os
import random
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from netd.config.address import Address
from netd.config.schema import read_options
from netd.config.serialize import serialize
from netd.errors import ControlError
from netd.listeners.bundle import Bundle, of_descriptors
from netd.listeners.kind import AnyKind
from netd.listeners.worker import run_worker
from netd.protocols.control import ControlCommand, Reply
from netd.protocols.link import (
    Configure,
    Drain,
    Exit,
    Failed,
    Go,
    HandedOver,
    HandOver,
    Heartbeat,
    LinkMessage,
    NotHandedOver,
    OwnAddresses,
    Ready,
    Release,
    Resume,
    Snapshot,
    format_message,
    parse_message,
)
from netd.protocols.password import hash_password
from netd.protocols.scram_keys import derive_keys
from netd.runtime import process, sockets
from netd.runtime.child_call import ChildCall
from netd.runtime.fd_channel import ChannelClosedError, FdChannel
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from netd.supervisor.control_client import send_request
from tests.programs import require

PATIENCE_S = 60.0
"""Longer than an event takes on a machine with twenty times as many busy processes as CPUs."""

COMMAND_S = 3 * PATIENCE_S
"""As long for a command such as `netd upgrade`, which starts two other programs."""


def cheap_hash(password: str) -> str:
    """A scrypt hash whose check takes microseconds, unlike that of `hash_password`."""
    return hash_password(password, b"0123456789abcdef", log_n=4)


def cheap_keys(password: str) -> str:
    """SCRAM keys that take little time to make."""
    return str(derive_keys(password, b"0123456789abcdef", 4096))


class Patience:
    """The time that is left to wait, without that in which the whole machine stands still.

    A virtual machine was seen to stand for 84 seconds, while its clocks went on.
    """

    PAUSE_S = 1.0
    """A caller looks again after that at the latest."""

    def __init__(self) -> None:
        self._left_s, self._at = PATIENCE_S, time.monotonic()

    def lasts(self) -> bool:
        """To be called in each round of a wait; one that is longer than a pause counts as one."""
        before, self._at = self._at, time.monotonic()
        self._left_s -= min(self._at - before, self.PAUSE_S)
        return self._left_s > 0


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Poll a condition a hundred times a second, if no descriptor reports the event."""
    patience = Patience()
    while not condition():
        assert patience.lasts(), f"waited in vain for {what}"
        time.sleep(0.01)


def stop_process(pid: int) -> None:
    """Send SIGSTOP, and await that a process does nothing more until SIGCONT."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: not _is_running(pid), "a stopped process")


def _is_running(pid: int) -> bool:
    """Whether a process is neither stopped nor at its end, by proc_pid_stat(5)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(") ")[2][0] in "RSD"


def memory_files(pid: int) -> set[int]:
    """The inodes of the memory files that a process has open, such as a snapshot."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if "memfd:" in os.readlink(entry):
                found.add(entry.stat().st_ino)
    return found


def open_files(pid: int) -> list[str]:
    """The names of a process's descriptors; a snapshot (`memory_files`) comes at any moment."""
    names = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            names.append(os.readlink(entry))
    return names


def open_sockets(addresses: Sequence[str]) -> list[tuple[str, socket.socket]]:
    """Listen on each address; port 0 lets the system choose."""
    opened = []
    for text in addresses:
        address = Address.parse(text)
        kind = socket.SOCK_STREAM if address.scheme.is_stream else socket.SOCK_DGRAM
        if address.scheme.is_local:
            opened.append((text, sockets.open_unix(kind, address.path, 0o600, 64)))
        else:
            found = sockets.open_inet(kind, address.host, address.port, 1024)
            opened += [(text, sock) for sock in found]
    return opened


def _serve(kind: AnyKind, channel: FdChannel) -> None:
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if getattr(handler, "stream", None) is not sys.__stderr__:
            root.removeHandler(handler)  # pytest's write to descriptors that a child has not
    process.raise_descriptor_limit()  # as the supervisor does: workers inherit its limit
    run_worker(kind, channel, heartbeat_period_s=0.05)


def call_in_child(
    work: Callable[[], bytes], timeout_s: float = PATIENCE_S, max_cpu_s: int | None = None
) -> bytes:
    """The result of `work` in a child process; raises the OSError that ChildCall gives."""
    outcomes: list[bytes | OSError] = []
    loop = Loop(EpollPoller())
    with contextlib.closing(loop):
        limits = {"max_cpu_s": max_cpu_s, "max_memory_bytes": 2**32}
        ChildCall(loop, work, outcomes.append, timeout_s=timeout_s, **limits)
        while not outcomes:
            loop.turn()
    [outcome] = outcomes
    if isinstance(outcome, OSError):
        raise outcome
    return outcome


class WorkerUnderTest:
    """A kind's worker in a process of its own, driven over a real link."""

    def __init__(
        self, kind: AnyKind, options: dict[str, Any] | None, addresses: Sequence[str]
    ) -> None:
        """With options of None it is not configured yet."""
        self.kind = kind
        self.sockets = open_sockets(addresses)
        self.bundles: Sequence[Bundle] = ()
        """The clients that the worker takes over with its first configuration; see `go`."""
        self.queues: dict[str, socket.socket] = {}
        """The ends of hand-off queues that the worker gets with each configuration."""
        self.counters: dict[str, int] = {}
        self.degraded = ""
        self.series: dict[str, dict[str, int]] = {}
        self._channel, theirs = FdChannel.pair()
        kind.load_service()  # before the fork, as the supervisor does
        self.process = process.spawn(lambda: _serve(kind, theirs), keep=[theirs.fileno()])
        theirs.close()
        self.exit: process.Exit | None = None
        if options is not None:
            self.configure(options)

    def connect(self, index: int = 0, source: str = "") -> socket.socket:
        """A blocking client socket, connected to one of the worker's sockets.

        `source` is the address to connect from, such as 127.0.0.2.
        """
        sock = self.sockets[index][1]
        client = socket.socket(sock.family, sock.type)
        client.settimeout(PATIENCE_S)
        if source:
            client.bind((source, 0))
        client.connect(sock.getsockname())
        send_at_once(client)
        return client

    def address(self, index: int = 0) -> Address:
        """Where a socket really stands."""
        return Address.parse(sockets.bound_name(self.sockets[index][1]))

    def configure(self, options: dict[str, Any]) -> None:
        """(Re)configure and wait for Ready; AssertionError with the reason on Failed."""
        answer = self.ask_configure(options)
        assert isinstance(answer, Ready), answer
        self._channel.send(format_message(Release()))

    def ask_configure(self, options: dict[str, Any]) -> LinkMessage:
        """(Re)configure and give the worker's answer, Ready or Failed."""
        texts = tuple(text for text, _ in self.sockets)
        full = {"kind": self.kind.name, "address": texts, **options}
        options = serialize(read_options(self.kind.options, full))
        own = OwnAddresses(tuple(_datagram_name(sock) for _, sock in self.sockets))
        self._channel.send(format_message(own))
        counts = tuple(len(bundle.descriptors) for bundle in self.bundles)
        message = Configure(
            "test", options, texts, counts, needs_state=True, queues=tuple(self.queues)
        )
        line = format_message(message)
        descriptors = [sock.fileno() for _, sock in self.sockets]
        descriptors += [fd for bundle in self.bundles for fd in bundle.descriptors]
        descriptors += [end.fileno() for end in self.queues.values()]
        self._channel.send(line, descriptors)
        self.bundles = ()
        return self.await_message(Ready, Failed)

    def drain(self, within_s: float | None = None, *, stopping: bool = False) -> None:
        """Ask the worker to finish; its exit is awaited with `await_exit`."""
        self._channel.send(format_message(Drain(within_s, stopping)))

    def begin_handover(self, within_s: float) -> None:
        """Have the worker prepare to hand over, without waiting for the bundle."""
        self._channel.send(format_message(HandOver(within_s)))

    def hand_over(self, within_s: float = PATIENCE_S) -> Bundle:
        """Have the worker pack its clients and freeze; the caller closes the bundle."""
        self.begin_handover(within_s)
        answer = self.await_message(HandedOver, NotHandedOver)
        assert isinstance(answer, HandedOver), answer
        return of_descriptors(self._channel.take_descriptors(answer.descriptors))

    def resume(self) -> None:
        """Have the worker serve again after `hand_over`."""
        self._channel.send(format_message(Resume()))

    def request_exit(self) -> None:
        """Ask the worker to exit."""
        self._channel.send(format_message(Exit()))

    def dismiss(self) -> None:
        """Have the worker exit after `hand_over`, and wait for its end."""
        self.request_exit()
        assert self.await_exit().status == 0

    def succeed(
        self, options: dict[str, Any], *bundles: Bundle, kind: AnyKind | None = None
    ) -> WorkerUnderTest:
        """Another worker on the same sockets, which has loaded the bundles and waits for `go`."""
        successor = WorkerUnderTest(kind or self.kind, None, ())
        successor.sockets = [(text, sock.dup()) for text, sock in self.sockets]
        successor.bundles, successor.queues = bundles, self.queues
        successor.configure(options)
        return successor

    def go(self) -> None:
        """Have the worker serve the clients of its bundles."""
        self._channel.send(format_message(Go()))

    def await_message(self, *types: type[LinkMessage]) -> LinkMessage:
        """The next message of one of these types; heartbeats on the way are taken in."""
        patience = Patience()
        while patience.lasts():
            select.select([self._channel], [], [], Patience.PAUSE_S)
            for message in self._receive():
                if isinstance(message, Heartbeat):
                    self.counters = {**message.gauges, **message.shared, **message.totals}
                    self.degraded = message.degraded
                    self.series = message.series
                if isinstance(message, types):
                    return message
        raise AssertionError(f"no {types} from the worker")

    def await_counters(self, condition: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """The first heartbeat's counters, from now on, for which the condition holds."""
        while select.select([self._channel], [], [], 0)[0]:
            self._receive()
        return self.next_counters(condition)

    def next_counters(self, condition: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """The same, also of the heartbeats that have come and were not read, in their order."""
        patience = Patience()
        while patience.lasts():
            self.await_message(Heartbeat)
            if condition(self.counters):
                return self.counters
        raise AssertionError(f"counters stayed at {self.counters}")

    def await_degraded(self, text: str) -> None:
        """Wait until the reason why the worker is degraded has this text; "" for a well worker."""
        self.await_counters(lambda _: text in self.degraded if text else not self.degraded)

    def await_exit(self) -> process.Exit:
        """Wait for the process's end; last words are taken in."""
        select.select([self.process.pidfd], [], [], PATIENCE_S)
        with contextlib.suppress(ChannelClosedError):
            for message in self._receive():
                if isinstance(message, Heartbeat):
                    self.counters = {**message.gauges, **message.shared, **message.totals}
        self.exit = self.process.reap()
        assert self.exit is not None, "the worker did not end"
        return self.exit

    def _receive(self) -> list[LinkMessage]:
        """The messages that have arrived; the descriptors of snapshots are closed."""
        messages = list(map(parse_message, self._channel.receive()))
        for message in messages:
            if isinstance(message, Snapshot):
                for fd in self._channel.take_descriptors(1):
                    os.close(fd)
        return messages

    def close(self) -> None:
        """End the worker in any state, and close the sockets."""
        if self.exit is None:
            self.process.kill(signal.SIGKILL)
            self.await_exit()
        self._channel.close()
        for text, sock in self.sockets:
            sock.close()
            address = Address.parse(text)
            if address.scheme.is_local:
                Path(address.path).unlink(missing_ok=True)


def _datagram_name(sock: socket.socket) -> int | str:
    name = sock.getsockname()
    return str(name) if sock.family == socket.AF_UNIX else int(name[1])


class ConfiguredDaemon:
    """The files of a daemon in a directory of its own, and the requests to its control socket."""

    def __init__(self, directory: Path, config: str, environ: dict[str, str] | None = None) -> None:
        self.directory = directory
        self.config = directory / "netd.toml"
        self.control = str(directory / "control.sock")
        self.log = directory / "log"
        self.write(config)
        self.command = [sys.executable, "-m", "netd", "run", "--config", str(self.config)]
        self.environ = {**os.environ, **(environ or {})}

    def write(self, config: str) -> None:
        """Replace the configuration file; `[netd]` gets this daemon's own control socket."""
        if "[netd]" not in config:
            config = f"[netd]\n{config}"
        self.config.write_text(config.replace("[netd]", f'[netd]\ncontrol = "{self.control}"', 1))

    def print_log(self) -> None:
        """Let pytest show the log with a test that has failed."""
        if self.log.exists():
            print(self.log.read_text(errors="replace"))  # noqa: T201 (captured)

    def serves(self) -> bool:
        """Whether every listener serves."""
        try:
            listeners = self.status()["listeners"]
        except ControlError:
            return False
        return bool(listeners) and all(
            worker["state"] == "serving" for listener in listeners for worker in listener["workers"]
        )

    def status(self) -> dict[str, Any]:
        """The status, as `netd status --json` prints it."""
        return send_request(self.control, ControlCommand.STATUS, PATIENCE_S).body

    def listener(self, name: str) -> dict[str, Any]:
        """One listener's part of the status."""
        return next(listener for listener in self.status()["listeners"] if listener["name"] == name)

    def pids(self, name: str) -> list[int]:
        """The processes that serve a listener."""
        return [worker["pid"] for worker in self.listener(name)["workers"]]

    def reload(self) -> Reply:
        """Request a reload and wait for its outcome."""
        return send_request(self.control, ControlCommand.RELOAD, PATIENCE_S)

    def address(self, name: str, index: int = 0) -> Address:
        """Where a listener really stands, once it does: a daemon that starts has no listeners."""
        found: list[str] = []

        def is_found() -> bool:
            with contextlib.suppress(ControlError, StopIteration):
                found[:] = self.listener(name)["addresses"]
            return len(found) > index

        wait_until(is_found, f"the addresses of {name}")
        return Address.parse(found[index])

    def connect(self, name: str, index: int = 0) -> socket.socket:
        """A blocking client socket, connected to a listener."""
        return connect(self.address(name, index))

    def netd_command(self, *arguments: str) -> list[str]:
        """The command line of a `netd` subcommand on the same configuration file."""
        return [sys.executable, "-m", "netd", *arguments, "--config", str(self.config)]

    def netd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another `netd` subcommand on the same configuration file."""
        return subprocess.run(
            self.netd_command(*arguments),
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
            env=self.environ,
        )


class Daemon(ConfiguredDaemon):
    """A real `netd run` in a process of its own."""

    def __init__(self, directory: Path, config: str, environ: dict[str, str] | None = None) -> None:
        super().__init__(directory, config, environ)
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the executable; `await_ready` waits until it serves."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environ,
                process_group=0,
            )
        return self.process

    def await_ready(self) -> None:
        """Wait until every listener serves."""
        wait_until(lambda: self.serves() or self.process.poll() is not None, "netd to serve")
        assert self.process.poll() is None, self.log.read_text()

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Request a stop and wait for the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def running_daemon(directory: Path, config: str) -> Iterator[Daemon]:
    """A daemon that serves. It is killed at the end, also if it does not become ready."""
    daemon = Daemon(directory, config)
    try:
        daemon.await_ready()
        yield daemon
    finally:
        daemon.process.kill()
        daemon.process.wait()


def _ports_of_this_process() -> Iterator[int]:
    """Ports below those that the system chooses, in any order; no two processes have the same."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(10_000 + number, 32_000, count)
    return itertools.cycle(random.sample(ports, len(ports)))


_ports = _ports_of_this_process()


def find_free_port() -> int:
    """A port that no client's connection gets, and that no other test gets for long."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port


def connect(address: Address) -> socket.socket:
    """A blocking client socket, connected to an address."""
    kind = socket.SOCK_STREAM if address.scheme.is_stream else socket.SOCK_DGRAM
    if address.scheme.is_local:
        client = socket.socket(socket.AF_UNIX, kind)
    else:
        client = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, kind)
    client.settimeout(PATIENCE_S)
    try:
        client.connect(address.path or (address.host, address.port))
    except OSError:
        client.close()
        raise
    send_at_once(client)
    return client


def send_at_once(client: socket.socket) -> None:
    """Have TCP send each piece, without waiting for the acknowledgement of the one before it."""
    if client.family != socket.AF_UNIX and client.type == socket.SOCK_STREAM:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def read_exactly(sock: socket.socket, count: int) -> bytes:
    """Read `count` bytes, or fewer if the peer ends first."""
    data = bytearray()
    while len(data) < count and (chunk := sock.recv(count - len(data))):
        data += chunk
    return bytes(data)


def read_all(sock: socket.socket) -> bytes:
    """Everything until the peer's end-of-file."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def make_certificate(directory: Path, name: str, days: int = 2) -> dict[str, str]:
    """A self-signed certificate for a host, as NAME.pem and NAME.key; `tls` options."""
    require("openssl")
    key, certificate = directory / f"{name}.key", directory / f"{name}.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
            *("-keyout", str(key), "-out", str(certificate), "-days", str(days)),
        ],
        check=True,
        capture_output=True,
    )
    return {"certificate": str(certificate), "key": str(key)}


def feed(parse: Callable[[Sequence[bytes]], Any], data: bytes, trailing: bytes = b"") -> list[Any]:
    """The results of a parser for data given whole, byte by byte, and with bytes after it."""
    whole, bytewise = parse([data]), parse([data[i : i + 1] for i in range(len(data))])
    return [whole, bytewise, *([parse([data + trailing])] if trailing else [])]


class FullPoller(EpollPoller):
    """epoll(7) that has room for `room` more descriptors: max_user_watches."""

    def __init__(self) -> None:
        super().__init__()
        register = self.add
        self.room = 1000

        def add(fd: int, mask: int) -> None:
            if not self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.room -= 1
            register(fd, mask)

        self.add = add  # type: ignore[assignment]


def attributes_of(cls: type) -> set[str]:
    """The names of all attributes that the objects of a class have, by its source."""
    names: set[str] = set()
    for base in cls.__mro__:
        names |= set(getattr(base, "__slots__", ())) | set(inspect.get_annotations(base))
        if base.__module__.startswith("netd."):
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            names |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            }
    return names

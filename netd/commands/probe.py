"""`netd probe`: uses listeners, or servers at any address, as their clients do."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

from netd.commands.config_file import add_config_option, control_path
from netd.commands.output import show
from netd.config.address import Address
from netd.errors import ControlError, NetdError, UsageError
from netd.listeners.kinds import KINDS
from netd.protocols.prometheus import format_family
from netd.runtime.errnos import describe
from netd.runtime.replaced_file import replace_file
from netd.supervisor.control_client import request_status

_SCHEMES: Final = {"http": ("http", 80), "irc": ("chat", 6667)}
_ECHO_KIND: Final = "echo"  # of an address that is that of a socket
_MAX_KEPT: Final = 10_000  # durations of each target, for the percentile of its summary
_P99: Final = 0.99
_MAX_SECONDS: Final = 86_400.0
_EX_LOST: Final = 1


@dataclass(slots=True)
class Target:
    """A server that is probed, and what the probes have found."""

    name: str
    kind: str
    address: str  # the address of its socket
    sent: int = 0
    lost: int = 0
    total_s: float = 0.0
    durations_s: list[float] = field(default_factory=list)
    """The durations of the last successful probes."""
    works: bool = False
    """Whether the last probe was successful."""
    control: str = ""
    """The control socket of the daemon that has the listener; empty for a server at an address."""

    def probe(self, timeout_s: float) -> str:
        """Probe it once. Returns a line for the user. An interrupted probe is not counted."""
        began = time.perf_counter()
        kind = KINDS.get(self.kind)
        if kind is None:
            return self._fail(f"this version has no kind {self.kind!r}")
        try:
            result = kind.probe(self.name, Address.parse(self.address), timeout_s)
        except ConnectionResetError as error:
            return self._fail(f"{describe(error)}; is it for proxies only (proxy_protocol_from)?")
        except OSError as error:
            return self._fail(describe(error))
        except NetdError as error:
            return self._fail(str(error))
        return self._succeed(result, time.perf_counter() - began)

    def _fail(self, error: str) -> str:
        self.sent += 1
        self.lost += 1
        self.works = False
        reported = _reported(self.control, self.name) if self.control else ""
        return f"{self.name}  {self.address}  FAILED  {error}{reported}"

    def _succeed(self, result: str, duration_s: float) -> str:
        self.sent += 1
        self.works = True
        self.total_s += duration_s
        self.durations_s.append(duration_s)
        del self.durations_s[:-_MAX_KEPT]
        return f"{self.name}  {self.address}  ok  {result}"

    def summary(self) -> str:
        """A line with the loss and the durations of all probes."""
        counts = f"{self.sent} probes, {self.lost} lost ({self.lost / max(1, self.sent):.0%})"
        if not self.durations_s:
            return f"{self.name}  {self.address}  {counts}"
        ordered = sorted(self.durations_s)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * _P99))]
        values = (ordered[0], fmean(ordered), p99, ordered[-1])
        least, mean, p99_text, most = (f"{value * 1000:.2f}" for value in values)
        durations = f"min {least} avg {mean} p99 {p99_text} max {most} ms"
        return f"{self.name}  {self.address}  {counts}, {durations}"


def _reported(control: str, name: str) -> str:
    """Return the reasons for which a listener is degraded, as the end of a failure's line."""
    with contextlib.suppress(ControlError):
        for listener in request_status(control)["listeners"]:
            if listener["name"] == name and listener["state"] == "degraded":
                errors = {worker["last_error"]: None for worker in listener["workers"]}
                return f"; degraded: {'; '.join(filter(None, errors))}"
    return ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_config_option(parser)
    parser.add_argument(
        "target",
        nargs="*",
        metavar="TARGET",
        help="a listener of the daemon (default: all), or an address: tcp://host:7, udp://host:7, "
        "unix:///path and unixgram:///path of an echo service, http://host:80, irc://host:6667",
    )
    parser.add_argument(
        "--count",
        type=_natural,
        default=1,
        metavar="N",
        help="probe N times, and print a summary; 0: until interrupted",
    )
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="the time between two rounds of probes (default: 1)",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long a probe waits for each reply (default: 5)",
    )
    parser.add_argument(
        "--prometheus",
        metavar="FILE",
        help="write metrics to FILE after each round, for node_exporter's textfile collector",
    )


def run(arguments: argparse.Namespace) -> int:
    """Probe the targets; the exit status is 1 unless the last probe of each was successful.

    Raises UsageError for an address that cannot be probed, ControlError for an unknown listener.
    """
    targets = list(_targets(arguments))
    with contextlib.suppress(KeyboardInterrupt):
        _probe_rounds(targets, arguments)
    if arguments.count != 1:
        for target in targets:
            show(target.summary())
    return os.EX_OK if all(target.works for target in targets) else _EX_LOST


def _probe_rounds(targets: Sequence[Target], arguments: argparse.Namespace) -> None:
    began, rounds = time.monotonic(), 0
    while True:
        for target in targets:
            show(target.probe(arguments.timeout))
        rounds += 1
        if arguments.prometheus:
            _write_metrics(arguments.prometheus, targets)
        if rounds == arguments.count:
            return
        time.sleep(max(0.0, began + rounds * arguments.interval - time.monotonic()))


def _targets(arguments: argparse.Namespace) -> Iterator[Target]:
    wanted = dict.fromkeys(arguments.target)
    listeners = [name for name in wanted if "://" not in name]
    urls = [url for url in wanted if "://" in url]
    if listeners or not urls:
        yield from _listeners(listeners, control_path(arguments))
    yield from map(_server, urls)


def _listeners(wanted: Sequence[str], control: str) -> Iterator[Target]:
    found = {listener["name"]: listener for listener in request_status(control)["listeners"]}
    for name in wanted or found:
        if name not in found:
            raise ControlError(f"no listener is named {name!r}")
        for address in found[name]["addresses"]:
            yield Target(name, found[name]["kind"], address, control=control)


def _server(url: str) -> Target:
    scheme, _, rest = url.partition("://")
    kind, port = _SCHEMES.get(scheme, (_ECHO_KIND, 0))
    address = url
    if port:
        authority = rest.rstrip("/")
        has_port = authority.rpartition(":")[2].isdecimal() and not authority.endswith("]")
        address = f"tcp://{authority}" if has_port else f"tcp://{authority}:{port}"
    try:
        Address.parse(address)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return Target(kind, kind, address)


def format_metrics(targets: Sequence[Target]) -> str:
    """The figures of the probes in the text format of Prometheus."""
    families = (
        ("up", "gauge", "1 if the last probe was successful.", lambda t: float(t.works)),
        ("sent_total", "counter", "Probes so far.", lambda t: float(t.sent)),
        ("lost_total", "counter", "Probes that failed.", lambda t: float(t.lost)),
        ("seconds_total", "counter", "The duration of all successful probes.", lambda t: t.total_s),
    )
    labelled = [({"target": target.name, "address": target.address}, target) for target in targets]
    return "".join(
        format_family(
            f"netd_probe_{name}", kind, text, [(labels, value(t)) for labels, t in labelled]
        )
        for name, kind, text, value in families
    )


def _write_metrics(path: str, targets: Sequence[Target]) -> None:
    """Raises ControlError."""
    try:
        with replace_file(path) as file:
            file.write(format_metrics(targets).encode())
    except OSError as error:
        raise ControlError(f"{path}: {describe(error)}") from error


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value
